//! `trustbridge package`: the managed application, and the linter that every package must pass.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::json;
use trustbridge_tbenc::Sha256;
use trustbridge_tbenc::manifest::check_asset_id;

use crate::bounded;
use crate::container::reference::Reference;
use crate::failure::{Exit, Failure};
use crate::package::lint::{Finding, MAX_ZIP_BYTES, RULES, lint};
use crate::package::{Offer, build};
use crate::remote::https_url;
use crate::report::{Report, lines};
use crate::staged::Staged;

/// Arguments of `package`.
#[derive(clap::Args)]
#[command(
    after_help = "The zip holds mainTemplate.json, createUiDefinition.json and viewDefinition.json, and the same
arguments give the same bytes. Who deploys it is asked for a contract id; asset and control plane are fixed.

  trustbridge package --asset-id llama-8b --image acme.azurecr.io/tb/runtime@sha256:... \\
      --edc-endpoint https://control.example --output-zip package.zip
  trustbridge package --lint package.zip"
)]
pub(crate) struct Args {
    /// Judge an existing package instead of making one.
    #[arg(long, value_name = "ZIP", conflicts_with_all = ["asset_id", "image", "edc_endpoint", "output_zip", "manifest_sha256"])]
    lint: Option<PathBuf>,
    /// The asset's id.
    #[arg(long, value_name = "ID")]
    asset_id: Option<String>,
    /// Image of sentinel and model server, as `build` prints it.
    #[arg(long, value_name = "IMAGE")]
    image: Option<String>,
    /// The control plane, https.
    #[arg(long, visible_alias = "endpoint", value_name = "URL")]
    edc_endpoint: Option<String>,
    /// Where the package goes.
    #[arg(long, value_name = "FILE")]
    output_zip: Option<PathBuf>,
    /// SHA-256 of the manifest: the sentinel then refuses any other.
    #[arg(long, value_name = "HEX")]
    manifest_sha256: Option<String>,
}

/// A package that was made.
#[derive(Debug, Serialize)]
pub(crate) struct Packaged {
    /// Where it is.
    pub(crate) package: PathBuf,
    /// Its SHA-256.
    pub(crate) sha256: String,
    bytes: usize,
    image: String,
    /// Whether it was written now; else the same bytes were there.
    pub(crate) written: bool,
}

/// Runs the command.
pub(crate) fn run(args: &Args) -> Result<Report, Failure> {
    if let Some(zip) = &args.lint {
        return judge(zip);
    }
    let packaged = package(args)?;
    let state = if packaged.written {
        "written"
    } else {
        "was there already, byte for byte"
    };
    let text = lines(&[
        ("package", packaged.package.display().to_string()),
        ("sha256", packaged.sha256.clone()),
        ("image", packaged.image.clone()),
        ("rules", format!("{} rules passed", RULES.len())),
        ("result", state.to_owned()),
    ]);
    Report::new(text, &packaged)
}

fn package(args: &Args) -> Result<Packaged, Failure> {
    let (offer, path) = args.offer()?;
    make(&offer, path)
}

/// Makes the package. A file that is there stays, and must have the same bytes.
pub(crate) fn make(offer: &Offer, path: &Path) -> Result<Packaged, Failure> {
    let bytes = build(offer)?;
    refuse("the package just made", &lint(&bytes))?;
    let written = match fs::read(path) {
        Ok(there) if there == bytes => false,
        Ok(_) => {
            return Err(Failure::usage(format!(
                "--output-zip {}: exists with other content and is never overwritten; choose another path or remove it",
                path.display()
            )));
        }
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            write(path, &bytes)?;
            true
        }
        Err(e) => return Err(Failure::file("--output-zip: reading", path, &e)),
    };
    let mut sha256 = Sha256::new();
    sha256.update(&bytes);
    Ok(Packaged {
        package: path.to_owned(),
        sha256: sha256.finish_hex(),
        bytes: bytes.len(),
        image: offer.image.to_string(),
        written,
    })
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let (staged, mut file) = Staged::file(path)?;
    file.write_all(bytes)
        .and_then(|()| file.sync_all())
        .map_err(|e| Failure::file("writing", path, &e))?;
    staged.commit()
}

impl Args {
    fn offer(&self) -> Result<(Offer, &Path), Failure> {
        let asset_id = required("--asset-id ID", self.asset_id.as_ref())?;
        let image = required("--image IMAGE", self.image.as_ref())?;
        let endpoint = required("--edc-endpoint URL", self.edc_endpoint.as_ref())?;
        let path = required("--output-zip FILE", self.output_zip.as_ref())?;
        check_asset_id(asset_id)
            .map_err(|rule| Failure::usage(format!("--asset-id {asset_id:?}: {rule}")))?;
        if let Some(anchor) = &self.manifest_sha256 {
            let hex = anchor.len() == 64 && anchor.bytes().all(|b| b.is_ascii_hexdigit());
            if !hex {
                return Err(Failure::usage(
                    "--manifest-sha256: must be 64 hexadecimal digits, as `trustbridge inspect` prints them",
                ));
            }
        }
        let endpoint = https_url("--edc-endpoint", endpoint)?;
        let offer = Offer {
            asset_id: asset_id.clone(),
            edc_endpoint: endpoint.as_str().trim_end_matches('/').to_owned(),
            image: Reference::parse("--image", image)?,
            manifest_sha256: self.manifest_sha256.as_ref().map(|hex| hex.to_ascii_lowercase()),
        };
        Ok((offer, path))
    }
}

fn required<'a, T>(flag: &str, value: Option<&'a T>) -> Result<&'a T, Failure> {
    value.ok_or_else(|| {
        Failure::usage(format!(
            "package: {flag} is missing; it is needed to make a package (or give --lint ZIP to judge one)"
        ))
    })
}

fn judge(zip: &Path) -> Result<Report, Failure> {
    let bytes = bounded::read(zip, MAX_ZIP_BYTES as u64).map_err(|e| match e.kind() {
        std::io::ErrorKind::FileTooLarge => Failure::data(format!(
            "--lint {}: is longer than 120 MB, and no package is (zip-size)",
            zip.display()
        )),
        _ => Failure::file("--lint: reading", zip, &e),
    })?;
    let name = zip.display().to_string();
    refuse(&name, &lint(&bytes))?;
    let text = lines(&[
        ("package", name.clone()),
        ("rules", format!("{} rules passed", RULES.len())),
    ]);
    Report::new(
        text,
        &json!({"package": name, "rules": RULES.len(), "findings": []}),
    )
}

fn refuse(name: &str, findings: &[Finding]) -> Result<(), Failure> {
    if findings.is_empty() {
        return Ok(());
    }
    let lines: Vec<String> = findings.iter().map(|finding| format!("\n  {finding}")).collect();
    Err(Failure::new(
        Exit::Data,
        format!("{name}: {} rules are broken:{}", findings.len(), lines.concat()),
    ))
}

//! The managed application: `mainTemplate.json`, `createUiDefinition.json` and `viewDefinition.json` in a zip.
//!
//! The three files and the machine's cloud-init lie beside this one; here the values of one offer are put in.

pub(crate) mod lint;

use std::io::{Cursor, Write};

use serde_json::{Value, json};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use crate::container::reference::Reference;
use crate::failure::{Exit, Failure};

/// The deployment template's name, with exactly these letters.
pub(crate) const MAIN_TEMPLATE: &str = "mainTemplate.json";
/// The portal form's name.
pub(crate) const CREATE_UI: &str = "createUiDefinition.json";
/// The name of what the portal shows afterwards.
pub(crate) const VIEW: &str = "viewDefinition.json";

const TEMPLATE_TEXT: &str = include_str!("mainTemplate.json");
const UI_TEXT: &str = include_str!("createUiDefinition.json");
const VIEW_TEXT: &str = include_str!("viewDefinition.json");
const CLOUD_INIT: &str = include_str!("cloud-init.yaml");

/// What one offer puts in.
#[derive(Clone, Debug)]
pub(crate) struct Offer {
    /// The asset.
    pub(crate) asset_id: String,
    /// The control plane, https, without a slash at its end.
    pub(crate) edc_endpoint: String,
    /// The image of sentinel and model server.
    pub(crate) image: Reference,
    /// Anchor of the manifest, where it is known: 64 hexadecimal digits.
    pub(crate) manifest_sha256: Option<String>,
}

/// The package's bytes. The same offer gives the same bytes.
pub(crate) fn build(offer: &Offer) -> Result<Vec<u8>, Failure> {
    let files = [
        (MAIN_TEMPLATE, main_template(offer)?),
        (CREATE_UI, create_ui(offer)?),
        (VIEW, parse(VIEW, VIEW_TEXT)?),
    ];
    let failed = |e: &dyn std::fmt::Display| Failure::new(Exit::Io, format!("making the package: {e}"));
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    // Stored, with one time and one mode: no compressor and no clock decides about the bytes.
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Stored)
        .last_modified_time(DateTime::default())
        .unix_permissions(0o644);
    for (name, document) in files {
        zip.start_file(name, options).map_err(|e| failed(&e))?;
        let mut text = serde_json::to_vec_pretty(&document).map_err(|e| failed(&e))?;
        text.push(b'\n');
        zip.write_all(&text).map_err(|e| failed(&e))?;
    }
    let done = zip.finish().map_err(|e| failed(&e))?;
    Ok(done.into_inner())
}

fn main_template(offer: &Offer) -> Result<Value, Failure> {
    let mut template = parse(MAIN_TEMPLATE, TEMPLATE_TEXT)?;
    for (name, value) in [
        ("TB_ASSET_ID", &offer.asset_id),
        ("TB_EDC_ENDPOINT", &offer.edc_endpoint),
    ] {
        // One allowed value: who deploys sees it and cannot change it.
        put(
            &mut template,
            &format!("/parameters/{name}"),
            "defaultValue",
            json!(value),
        )?;
        put(
            &mut template,
            &format!("/parameters/{name}"),
            "allowedValues",
            json!([value]),
        )?;
    }
    let anchor = offer.manifest_sha256.as_deref().unwrap_or_default();
    put(
        &mut template,
        "/variables",
        "image",
        json!(offer.image.to_string()),
    )?;
    put(&mut template, "/variables", "manifestSha256", json!(anchor))?;
    put(&mut template, "/variables", "cloudInit", json!(CLOUD_INIT))?;
    Ok(template)
}

fn create_ui(offer: &Offer) -> Result<Value, Failure> {
    let mut ui = parse(CREATE_UI, UI_TEXT)?;
    for (output, element, label, value) in [
        ("TB_ASSET_ID", "assetId", "Model", &offer.asset_id),
        (
            "TB_EDC_ENDPOINT",
            "edcEndpoint",
            "Control plane",
            &offer.edc_endpoint,
        ),
    ] {
        put(&mut ui, "/parameters/outputs", output, json!(value))?;
        let basics = ui.pointer_mut("/parameters/basics").and_then(Value::as_array_mut);
        let block = basics
            .into_iter()
            .flatten()
            .find(|e| e.get("name") == Some(&json!(element)));
        let text = block
            .and_then(|block| block.pointer_mut("/options/text"))
            .ok_or_else(|| lacks(CREATE_UI, element))?;
        *text = json!(format!("{label}: {value}"));
    }
    Ok(ui)
}

fn parse(name: &str, text: &str) -> Result<Value, Failure> {
    serde_json::from_str(text).map_err(|e| Failure::new(Exit::Data, format!("{name} of this program: {e}")))
}

fn put(document: &mut Value, pointer: &str, name: &str, value: Value) -> Result<(), Failure> {
    let object = document.pointer_mut(pointer).and_then(Value::as_object_mut);
    object
        .ok_or_else(|| lacks(MAIN_TEMPLATE, pointer))?
        .insert(name.to_owned(), value);
    Ok(())
}

fn lacks(name: &str, what: &str) -> Failure {
    Failure::new(Exit::Data, format!("{name} of this program lacks {what}"))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// An offer as `package` makes it.
    pub(crate) fn offer() -> Offer {
        Offer {
            asset_id: "tb-asset-1".to_owned(),
            edc_endpoint: "https://control.example".to_owned(),
            image: Reference::parse(
                "--image",
                &format!("acme.azurecr.io/tb/runtime@sha256:{}", "0a".repeat(32)),
            )
            .unwrap(),
            manifest_sha256: Some("0b".repeat(32)),
        }
    }

    #[test]
    fn the_same_offer_gives_the_same_bytes_and_they_pass() {
        let bytes = build(&offer()).unwrap();
        assert_eq!(bytes, build(&offer()).unwrap());
        let findings = lint::lint(&bytes);
        assert!(findings.is_empty(), "{findings:#?}");
        let mut other = offer();
        other.asset_id = "tb-asset-2".to_owned();
        assert_ne!(bytes, build(&other).unwrap());
    }

    #[test]
    fn without_an_anchor_the_package_passes_too() {
        let mut offer = offer();
        offer.manifest_sha256 = None;
        assert!(lint::lint(&build(&offer).unwrap()).is_empty());
    }

    #[test]
    fn the_cloud_init_is_yaml_that_writes_what_it_runs() {
        let document: Value = serde_saphyr::from_str(CLOUD_INIT).unwrap();
        let files = document["write_files"].as_array().unwrap();
        let paths: Vec<&str> = files.iter().map(|f| f["path"].as_str().unwrap()).collect();
        assert!(paths.contains(&"/usr/local/sbin/trustbridge-start"));
        assert_eq!(document["runcmd"][1][4], "trustbridge.service");
    }
}

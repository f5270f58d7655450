//! Azurite, the real emulator of Blob storage, from npm.

use super::daemon::Daemon;
use crate::command;
use crate::world::World;
use anyhow::{Context, Result};
use std::path::PathBuf;
use std::time::Duration;
use tokio::process::Command;

/// The version that is installed.
pub const VERSION: &str = "3.37.0";
/// Its port.
pub const PORT: u16 = 10000;
/// The storage account that it plays.
pub const ACCOUNT: &str = "tbassets";
/// The container of the models.
pub const CONTAINER: &str = "models";

/// Installs it into the cache unless it is there; answers what was done.
pub async fn install(world: &World) -> Result<String> {
    let folder = folder(world);
    if installed_version(world).as_deref() == Some(VERSION) {
        return Ok(format!("azurite {VERSION}, already in the cache"));
    }
    std::fs::create_dir_all(&folder)?;
    let mut npm = Command::new("npm");
    npm.current_dir(&folder).args([
        "install",
        "--no-audit",
        "--no-fund",
        "--no-progress",
        "--prefix",
        ".",
    ]);
    npm.arg(format!("azurite@{VERSION}"));
    // The outside namespace has no way to the registry: npm runs where process 1 is.
    let mut outward = Command::new("nsenter");
    let inner = npm.as_std();
    outward
        .current_dir(&folder)
        .args(["--net=/proc/1/ns/net", "--"])
        .arg(inner.get_program())
        .args(inner.get_args());
    let command = if world.is_local() { &mut outward } else { &mut npm };
    command::output(command, Duration::from_mins(5))
        .await
        .context("cannot install Azurite; npm is needed once")?;
    Ok(format!("azurite {VERSION} from npm"))
}

/// The process.
pub fn daemon(world: &World, account_key: &str) -> Daemon {
    let pki = world.layout().pki();
    let main = folder(world).join("node_modules/azurite/dist/src/blob/main.js");
    let mut arguments = vec![main.into_os_string()];
    let host = world.outside().to_string();
    let port = PORT.to_string();
    arguments.extend(["--blobHost", &host, "--blobPort", &port].map(Into::into));
    arguments.extend(["--silent", "--disableTelemetry", "--skipApiVersionCheck"].map(Into::into));
    for (flag, path) in [
        ("--location", world.stage_folder().join("azurite")),
        ("--cert", pki.join("outside.crt")),
        ("--key", pki.join("outside.key")),
    ] {
        arguments.push(flag.into());
        arguments.push(path.into_os_string());
    }
    let accounts = format!("{ACCOUNT}:{account_key}");
    Daemon {
        name: "azurite",
        program: node(),
        arguments,
        environment: vec![("AZURITE_ACCOUNTS", accounts)],
    }
}

fn folder(world: &World) -> PathBuf {
    world.layout().cache().join("azurite")
}

fn installed_version(world: &World) -> Option<String> {
    let text = std::fs::read(folder(world).join("node_modules/azurite/package.json")).ok()?;
    let package: serde_json::Value = serde_json::from_slice(&text).ok()?;
    Some(package.get("version")?.as_str()?.to_owned())
}

/// node, with its whole path: its record holds the program's file.
fn node() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path)
        .map(|folder| folder.join("node"))
        .find(|file| file.is_file());
    found.unwrap_or_else(|| PathBuf::from("/usr/bin/node"))
}

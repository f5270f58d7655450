//! Flags that would take a secret. Arguments are visible to every user of the machine, so these are not offered,
//! but recognised: whoever knows them from elsewhere is told the right one.

use std::ffi::OsString;

use crate::failure::Failure;

/// A flag that takes a secret, and the one that takes its file.
const INSTEAD: [(&str, &str); 14] = [
    ("--key-hex", "--key-file"),
    ("--key-value", "--key-file"),
    ("--decryption-key", "--key-file"),
    ("--sas", "--sas-file"),
    ("--sas-token", "--sas-file"),
    ("--account-key", "--account-key-file"),
    ("--connection-string", "--connection-string-file"),
    ("--token", "--token-file"),
    ("--bearer", "--token-file"),
    ("--bearer-token", "--token-file"),
    ("--password", "--token-file"),
    ("--client-secret", "the variable AZURE_CLIENT_SECRET"),
    (
        "--registry-password",
        "the registry login of docker, podman or buildah",
    ),
    (
        "--registry-token",
        "the registry login of docker, podman or buildah",
    ),
];

/// Refuses such a flag, without its value.
pub(crate) fn check(args: &[OsString]) -> Result<(), Failure> {
    let flags = args.iter().skip(1).filter_map(|arg| arg.to_str());
    for arg in flags.take_while(|arg| *arg != "--") {
        let name = arg.split_once('=').map_or(arg, |(name, _)| name);
        if let Some(instead) = instead_of(name) {
            return Err(Failure::usage(format!(
                "{name}: a secret in the arguments is visible to every user of the machine and stays in the shell's \
                 history; use {instead}. Take the one that was given here as given away"
            )));
        }
    }
    Ok(())
}

/// What to use instead of a flag, where it would take a secret.
pub(crate) fn instead_of(flag: &str) -> Option<&'static str> {
    INSTEAD
        .iter()
        .find(|(name, _)| *name == flag)
        .map(|(_, instead)| *instead)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(args: &[&str]) -> Result<(), String> {
        let args: Vec<OsString> = args.iter().map(OsString::from).collect();
        check(&args).map_err(|failure| failure.to_string())
    }

    #[test]
    fn a_secret_is_refused_and_not_repeated() {
        for args in [
            ["trustbridge", "register", "--key-hex", "5e5e"],
            ["trustbridge", "register", "--key-hex=5e5e", "x"],
        ] {
            let said = checked(&args).unwrap_err();
            assert!(said.contains("--key-file") && !said.contains("5e5e"), "{said}");
        }
        assert!(
            checked(&["trustbridge", "upload", "--sas", "x"])
                .unwrap_err()
                .contains("--sas-file")
        );
        checked(&["trustbridge", "register", "--key-file", "k", "--token-file", "t"]).unwrap();
    }
}

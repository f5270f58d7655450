use super::*;

const AZURE: &str = "https://acct.blob.core.windows.net/models";

fn parsed(url: &str) -> Url {
    Url::parse(url).unwrap()
}

fn chosen(args: &CredentialArgs, url: &str, vars: &[(&str, &str)]) -> Result<Choice, Failure> {
    let env = |name: &str| {
        let found = vars.iter().find(|(key, _)| *key == name);
        found.map(|(_, value)| (*value).to_owned())
    };
    choose(args, &parsed(url), &env)
}

#[test]
fn the_first_of_the_order_that_is_there_is_used() {
    let principal = [
        ("AZURE_TENANT_ID", "t"),
        ("AZURE_CLIENT_ID", "c"),
        ("AZURE_CLIENT_SECRET", "s"),
        ("AZURE_FEDERATED_TOKEN_FILE", "f"),
    ];
    let none = CredentialArgs::default();
    assert!(matches!(
        chosen(&none, AZURE, &principal),
        Ok(Choice::ClientSecret { .. })
    ));
    let workload = [principal[0], principal[1], principal[3]];
    assert!(matches!(
        chosen(&none, AZURE, &workload),
        Ok(Choice::Workload { .. })
    ));
    let all = [&principal[..], &[("TB_BLOB_SAS", "sig=x")]].concat();
    assert!(matches!(chosen(&none, AZURE, &all), Ok(Choice::Sas(_))));
    let forced = CredentialArgs {
        credential: Some(Kind::Workload),
        ..CredentialArgs::default()
    };
    assert!(matches!(
        chosen(&forced, AZURE, &all),
        Ok(Choice::Workload { .. })
    ));
}

#[test]
fn with_nothing_configured_every_kind_says_why_or_is_asked() {
    let Ok(Choice::Ask {
        kinds,
        forced,
        missing,
    }) = chosen(&CredentialArgs::default(), AZURE, &[])
    else {
        panic!("asks");
    };
    assert_eq!(kinds, [Kind::Managed, Kind::Cli]);
    assert!(!forced);
    let named: Vec<Kind> = missing.iter().map(|(kind, _)| *kind).collect();
    assert_eq!(named, ORDER[..5]);
    let principal = &missing[3].1;
    assert!(principal.contains("AZURE_CLIENT_SECRET"), "{principal}");
}

#[test]
fn tokens_and_sas_go_to_azure_alone_unless_the_flag_says_so() {
    let elsewhere = "https://evil.example/acct/models";
    let vars = [
        ("AZURE_TENANT_ID", "t"),
        ("AZURE_CLIENT_ID", "c"),
        ("AZURE_CLIENT_SECRET", "s"),
    ];
    let Ok(Choice::Ask { kinds, missing, .. }) = chosen(&CredentialArgs::default(), elsewhere, &vars) else {
        panic!("nothing is sent");
    };
    assert!(kinds.is_empty() && missing[3].1.contains("evil.example"));
    let forced = CredentialArgs {
        credential: Some(Kind::Environment),
        ..CredentialArgs::default()
    };
    assert!(matches!(
        chosen(&forced, elsewhere, &vars),
        Ok(Choice::ClientSecret { .. })
    ));
    for variable in ["TB_BLOB_SAS", "TB_BLOB_SAS_FILE"] {
        let set = [(variable, "sig=SECRET")];
        let Ok(Choice::Ask { kinds, missing, .. }) = chosen(&CredentialArgs::default(), elsewhere, &set)
        else {
            panic!("{variable} is not sent");
        };
        assert!(
            kinds.is_empty() && missing[0].1.contains("--credential sas"),
            "{missing:?}"
        );
    }
    let forced = CredentialArgs {
        credential: Some(Kind::Sas),
        ..CredentialArgs::default()
    };
    let set = [("TB_BLOB_SAS", "sig=x")];
    assert!(matches!(chosen(&forced, elsewhere, &set), Ok(Choice::Sas(_))));
    let string = "AccountName=acct;AccountKey=SECRET";
    let other = chosen(
        &CredentialArgs::default(),
        elsewhere,
        &[("AZURE_STORAGE_CONNECTION_STRING", string)],
    );
    let failure = other.err().unwrap();
    assert_eq!(failure.exit, Exit::NotAllowed);
    assert!(!failure.to_string().contains("SECRET"), "{failure}");
}

#[test]
fn two_flags_that_disagree_are_refused() {
    let args = CredentialArgs {
        credential: Some(Kind::Cli),
        sas_file: Some("f".into()),
        ..CredentialArgs::default()
    };
    assert_eq!(chosen(&args, AZURE, &[]).err().unwrap().exit, Exit::Usage);
}

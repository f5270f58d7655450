//! Ways to break the rules of `mainTemplate.json`: the rule, where, and the value that breaks it.

use serde_json::{Map, Value, json};

type Way = (&'static str, &'static str, Value);

/// All of them.
pub(super) fn broken() -> impl Iterator<Item = Way> {
    shape()
        .into_iter()
        .chain(expressions())
        .chain(offer())
        .chain(machine())
        .chain(network())
}

fn shape() -> Vec<Way> {
    let old = "http://schema.management.azure.com/schemas/2015-01-01/deploymentTemplate.json#";
    let linked = json!({
        "type": "Microsoft.Resources/deployments", "apiVersion": "2024-03-01", "name": "n",
        "location": "[parameters('location')]", "properties": {"templateLink": {"uri": "https://a"}}
    });
    let output = |n| (format!("o{n}"), json!({"type": "string", "value": "x"}));
    let many: Value = (0..65).map(output).collect::<Map<_, _>>().into();
    let api = "/resources/0/apiVersion";
    vec![
        ("template-schema", "/$schema", json!(old)),
        ("template-version", "/contentVersion", json!("1.0")),
        ("template-members", "/extra", json!({})),
        ("template-members", "/resources", json!([])),
        ("template-size", "/outputs", many),
        ("resource-fields", "/resources/0/name", Value::Null),
        ("resource-api-version", api, json!("2024-05-01-preview")),
        ("resource-api-version", api, json!("2015-06-15")),
        ("resource-location", "/resources/0/location", json!("westeurope")),
        ("no-linked-templates", "/resources/-", linked),
        ("parameter-types", "/parameters/location/type", json!("text")),
        ("parameter-types", "/parameters/location/metadata", Value::Null),
    ]
}

fn expressions() -> Vec<Way> {
    let site = json!("[resourceId('Microsoft.Web/sites', 'x')]");
    vec![
        (
            "reference-defined",
            "/variables/subnetName",
            json!("[parameters('none')]"),
        ),
        ("parameter-used", "/parameters/idle", json!({"type": "int"})),
        ("variable-used", "/variables/idle", json!(1)),
        ("depends-on", "/resources/1/dependsOn/0", site),
    ]
}

fn offer() -> Vec<Way> {
    let secure = json!({"type": "securestring", "defaultValue": "x", "metadata": {"description": "d"}});
    let keys = json!("[listKeys('x', '2024-01-01').key1]");
    let contract = "/parameters/TB_CONTRACT_ID/minLength";
    let endpoint = "/parameters/TB_EDC_ENDPOINT/defaultValue";
    vec![
        (
            "no-secrets",
            "/variables/subnetName",
            json!("https://a/?sv=1&sig=x"),
        ),
        ("no-secrets", "/variables/subnetName", json!("0c".repeat(32))),
        ("no-secrets", "/variables/password", json!("x")),
        ("no-secret-default", "/parameters/token", secure),
        ("output-no-secret", "/outputs/fqdn/value", keys),
        (
            "contract-id-required",
            "/parameters/TB_CONTRACT_ID/defaultValue",
            json!("c-1"),
        ),
        ("contract-id-required", contract, Value::Null),
        (
            "offer-fixed",
            "/parameters/TB_ASSET_ID/allowedValues",
            Value::Null,
        ),
        ("offer-fixed", endpoint, json!("http://a.example")),
        (
            "image-pinned",
            "/variables/image",
            json!("acme.azurecr.io/r:latest"),
        ),
        ("image-pinned", "/variables/image", json!("acme.azurecr.io/r")),
    ]
}

fn machine() -> Vec<Way> {
    let password = "/resources/4/properties/osProfile/linuxConfiguration/disablePasswordAuthentication";
    let size = "/resources/4/properties/hardwareProfile/vmSize";
    let disk = "/resources/4/properties/storageProfile/osDisk/deleteOption";
    vec![
        ("ssh-key-only", password, json!(false)),
        ("managed-identity", "/resources/4/identity", Value::Null),
        ("vm-size-parameter", size, json!("Standard_D2s_v5")),
        ("os-disk", disk, json!("Detach")),
        (
            "cloud-init",
            "/resources/4/properties/osProfile/customData",
            json!("x"),
        ),
    ]
}

fn network() -> Vec<Way> {
    let allow = |port: &str, priority: u32| {
        json!({"name": "a", "properties": {
            "priority": priority, "direction": "Inbound", "access": "Allow", "protocol": "Tcp",
            "sourceAddressPrefix": "*", "sourcePortRange": "*", "destinationAddressPrefix": "*",
            "destinationPortRange": port
        }})
    };
    let rules = "/resources/0/properties/securityRules/-";
    let opened = "/resources/0/properties/securityRules/0/properties/access";
    let source = "/resources/0/properties/securityRules/1/properties/sourceAddressPrefix";
    let group = "/resources/3/properties/networkSecurityGroup";
    vec![
        ("port-8000-open", opened, json!("Deny")),
        ("port-8081-denied", source, json!("Internet")),
        ("port-8081-denied", rules, allow("8000-9000", 101)),
        ("only-8000-open", rules, allow("22", 300)),
        ("only-8000-open", rules, allow("[parameters('vmSize')]", 300)),
        ("nsg-attached", group, Value::Null),
    ]
}

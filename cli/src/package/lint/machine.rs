//! The machine, and what runs on it.

use serde_json::{Value, json};

use super::{Findings, elements, text};
use crate::container::reference::Reference;

pub(super) fn judge(template: &Value, findings: &mut Findings) {
    offer(template, findings);
    let machines: Vec<&Value> = elements(template, "/resources")
        .filter(|r| text(r, "/type").eq_ignore_ascii_case("Microsoft.Compute/virtualMachines"))
        .collect();
    findings.demand(!machines.is_empty(), "vm-size-parameter", "there is no machine");
    for machine in machines {
        one_machine(machine, findings);
    }
    let sizes = elements(template, "/parameters/vmSize/allowedValues").count();
    findings.demand(sizes > 0, "vm-size-parameter", "vmSize has no allowed values");
    cloud_init(text(template, "/variables/cloudInit"), findings);
}

fn offer(template: &Value, findings: &mut Findings) {
    let contract = template
        .pointer("/parameters/TB_CONTRACT_ID")
        .unwrap_or(&Value::Null);
    let required = text(contract, "/type") == "string"
        && contract.get("minLength").and_then(Value::as_u64) >= Some(1)
        && contract.get("defaultValue").is_none();
    findings.demand(required, "contract-id-required", "TB_CONTRACT_ID");
    for name in ["TB_ASSET_ID", "TB_EDC_ENDPOINT"] {
        let parameter = template
            .pointer(&format!("/parameters/{name}"))
            .unwrap_or(&Value::Null);
        let value = text(parameter, "/defaultValue");
        let fixed = !value.is_empty() && parameter.get("allowedValues") == Some(&json!([value]));
        findings.demand(fixed, "offer-fixed", name);
        if name == "TB_EDC_ENDPOINT" {
            findings.demand(
                value.starts_with("https://"),
                "offer-fixed",
                format!("{name}: {value:?}"),
            );
        }
    }
    let image = text(template, "/variables/image");
    if let Err(failure) = Reference::parse("image", image) {
        findings.add("image-pinned", failure.to_string());
    }
}

fn one_machine(machine: &Value, findings: &mut Findings) {
    let name = text(machine, "/name");
    findings.demand(
        text(machine, "/identity/type")
            .split(',')
            .any(|kind| kind.trim() == "SystemAssigned"),
        "managed-identity",
        name,
    );
    findings.demand(
        text(machine, "/properties/hardwareProfile/vmSize") == "[parameters('vmSize')]",
        "vm-size-parameter",
        name,
    );
    let disk = machine
        .pointer("/properties/storageProfile/osDisk")
        .unwrap_or(&Value::Null);
    let tidy = text(disk, "/createOption") == "FromImage" && text(disk, "/deleteOption") == "Delete";
    findings.demand(tidy, "os-disk", name);
    let profile = machine.pointer("/properties/osProfile").unwrap_or(&Value::Null);
    let keys_only = profile.pointer("/linuxConfiguration/disablePasswordAuthentication")
        == Some(&Value::Bool(true))
        && profile.get("adminPassword").is_none();
    findings.demand(keys_only, "ssh-key-only", name);
    findings.demand(
        text(profile, "/customData") == "[base64(variables('customData'))]",
        "cloud-init",
        format!("{name}: customData"),
    );
}

fn cloud_init(cloud_init: &str, findings: &mut Findings) {
    findings.demand(
        cloud_init.starts_with("#cloud-config\n"),
        "cloud-init",
        "its first line",
    );
    for slot in ["@IMAGE@", "@SENTINEL_ENVIRONMENT@"] {
        let once = cloud_init.matches(slot).count() == 1;
        findings.demand(once, "cloud-init", format!("{slot} must occur once"));
    }
    let shares = cloud_init.contains("--network container:tb-sentinel");
    findings.demand(shares, "runtime-loopback", "no --network container:tb-sentinel");
    findings.demand(
        cloud_init.contains("TB_RUNTIME_URL=http://127.0.0.1:8081"),
        "runtime-loopback",
        "TB_RUNTIME_URL is not loopback",
    );
    for publishing in [
        "--network host",
        "--net=host",
        "--network=host",
        "publish 8081",
        "publish=8081",
        "-p 8081",
        ":8081:",
        "--publish-all",
        "-P ",
    ] {
        let there = cloud_init.contains(publishing);
        findings.demand(!there, "runtime-loopback", publishing);
    }
}

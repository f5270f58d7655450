//! What the network lets in.

use serde_json::Value;

use super::{Findings, elements, text};

/// The sentinel, the only door.
const SENTINEL: u16 = 8000;
/// The model server, for the sentinel alone.
const RUNTIME: u16 = 8081;

pub(super) fn judge(template: &Value, findings: &mut Findings) {
    let of = |kind: &'static str| {
        elements(template, "/resources").filter(move |r| text(r, "/type").eq_ignore_ascii_case(kind))
    };
    let mut groups = 0;
    for group in of("Microsoft.Network/networkSecurityGroups") {
        groups += 1;
        one_group(group, findings);
    }
    findings.demand(
        groups > 0,
        "port-8081-denied",
        "there is no network security group",
    );
    for interface in of("Microsoft.Network/networkInterfaces") {
        let attached = text(interface, "/properties/networkSecurityGroup/id")
            .contains("'Microsoft.Network/networkSecurityGroups'");
        findings.demand(attached, "nsg-attached", text(interface, "/name"));
    }
    let separate = of("Microsoft.Network/networkSecurityGroups/securityRules").count();
    findings.demand(
        separate == 0,
        "only-8000-open",
        "rules outside their group are not judged; put them inside",
    );
}

fn one_group(group: &Value, findings: &mut Findings) {
    let name = text(group, "/name");
    let mut inbound: Vec<&Value> = elements(group, "/properties/securityRules")
        .filter_map(|rule| rule.get("properties"))
        .filter(|rule| text(rule, "/direction").eq_ignore_ascii_case("Inbound"))
        .collect();
    inbound.sort_by_key(|rule| rule.get("priority").and_then(Value::as_u64).unwrap_or(u64::MAX));
    let allows = |rule: &Value| !text(rule, "/access").eq_ignore_ascii_case("Deny");
    let open = inbound.iter().any(|rule| allows(rule) && covers(rule, SENTINEL));
    findings.demand(open, "port-8000-open", name);
    // Azure takes the first rule that fits.
    let first = inbound.iter().find(|rule| covers(rule, RUNTIME));
    let denied =
        first.is_some_and(|rule| !allows(rule) && everywhere(rule) && text(rule, "/protocol") == "*");
    findings.demand(denied, "port-8081-denied", name);
    for rule in inbound.iter().filter(|rule| allows(rule)) {
        let ports = ranges(rule);
        let only = ports.len() == 1 && ports.first() == Some(&(SENTINEL, SENTINEL));
        findings.demand(only, "only-8000-open", format!("{name}: {ports:?}"));
    }
}

fn everywhere(rule: &Value) -> bool {
    [
        "/sourceAddressPrefix",
        "/destinationAddressPrefix",
        "/sourcePortRange",
    ]
    .into_iter()
    .all(|member| text(rule, member) == "*")
}

fn covers(rule: &Value, port: u16) -> bool {
    ranges(rule)
        .iter()
        .any(|(from, to)| (*from..=*to).contains(&port))
}

/// The ports of a rule. What cannot be read (an expression, say) counts as all of them.
fn ranges(rule: &Value) -> Vec<(u16, u16)> {
    let one = rule.get("destinationPortRange").into_iter();
    let texts = one.chain(elements(rule, "/destinationPortRanges"));
    let range = |value: &Value| {
        let text = value.as_str().unwrap_or("*");
        let (from, to) = text.split_once('-').unwrap_or((text, text));
        match (from.trim().parse(), to.trim().parse()) {
            (Ok(from), Ok(to)) => (from, to),
            _ => (0, u16::MAX),
        }
    };
    texts.map(range).collect()
}

//! The smallest valid object of each kind.

use serde_json::{Value, json};

/// Hex digits that look like a SHA-256.
pub const SHA: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

fn object(kind: &str, name: &str, spec: &Value) -> Value {
    json!({"apiVersion": "trustbridge.io/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec})
}

/// The smallest valid object of that kind.
pub fn example(kind: &str, name: &str) -> Value {
    let spec = match kind {
        "SellerProfile" => json!({"orgId": "s"}),
        "BuyerOrg" => json!({}),
        "Offer" => offer(),
        "ModelAsset" => json!({
            "endpoint": "https://edc.example.com",
            "blobBaseUrl": "https://acct.blob.core.windows.net/models/models/a",
            "manifestSha256": SHA,
            "plaintextBytes": 1,
        }),
        "Quote" => json!({"offerRef": {"name": "o"}}),
        "Order" => json!({"offerRef": {"name": "o"}, "modelAssetRef": {"name": "a"}, "contractId": "c"}),
        "ChangeOrder" => json!({"orderRef": {"name": "o"}, "request": {"support_tier": "premium"}}),
        "TunePod" => json!({
            "orderRef": {"name": "o"}, "modelAssetRef": {"name": "a"}, "contractId": "c",
            "gpus": 1, "gpuSku": "s", "vmSize": "v",
        }),
        "UsageRecord" => json!({
            "tunePodRef": {"name": "o-0"}, "tunePodUid": "u", "orderRef": {"name": "o"}, "day": "2026-01-07",
        }),
        "WipeEvidence" => json!({"orderRef": {"name": "o"}, "tunePodRef": {"name": "o-0"}, "record": {
            "org": "acme", "order": "o", "tunePod": "o-0", "tunePodUid": "u", "mode": "protectedModel", "provider": "arm-double",
            "steps": [], "method": "None", "notObserved": [],
        }, "digest": SHA, "publicKey": SHA, "signature": {"keyId": "k", "algorithm": "Ed25519", "value": "v"}}),
        "Invoice" => json!({"orderRef": {"name": "o"}, "basis": {
            "org": "acme", "order": "o", "orderUid": "u", "quoteDigest": SHA, "currency": "USD", "schedule": "metered-daily",
            "period": {"fromMs": 0, "toMs": 86_400_000}, "policy": {"finalizeAfterDays": 4, "netDays": 0},
            "lines": [{"key": "base", "sku": "s", "quantity": 1, "fromMs": 0,
                "charge": {"hourly": {"rateMicros": 1_750_000, "minHours": 0}}}],
            "instances": [{"name": "o-0", "uid": "t", "intervals": [{"seq": 0, "fromMs": 0, "toMs": 3_600_000,
                "kind": "Serving", "gpus": 1, "nvmeGb": 0, "rateKey": "base", "openedBy": "Ready"}]}],
        }}),
        "SupportTicket" => json!({"severity": "S2", "subject": "OOM during training"}),
        "Incident" => json!({"severity": "S1", "impact": "Instance unreachable"}),
        other => panic!("no example of kind {other}"),
    };
    object(kind, name, &spec)
}

fn offer() -> Value {
    json!({
        "sku": "s",
        "modes": ["protectedModel"],
        "resources": {"gpus": 1, "vcpus": 1, "ramGb": 1, "nvmeGb": 0},
        "gpu": {"model": "m", "vramGb": 1},
        "billing": {"currency": "USD", "models": [{"model": "hourly", "priceMinor": 1}]},
    })
}

/// A merge of `patch` over `base`, as RFC 7396 says.
pub fn merged(base: &Value, patch: &Value) -> Value {
    let (Value::Object(base), Value::Object(patch)) = (base, patch) else {
        return patch.clone();
    };
    let mut result = base.clone();
    for (key, value) in patch {
        if value.is_null() {
            result.remove(key);
        } else {
            let old = result.get(key).cloned().unwrap_or_default();
            result.insert(key.clone(), merged(&old, value));
        }
    }
    Value::Object(result)
}

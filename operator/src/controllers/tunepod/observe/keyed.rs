//! Whether a pod's sentinel can speak TLS and knows whom to let in.

use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use trustbridge_domain::names::{serving_secret, token_sums_secret};

/// Whether one init container, which the sentinel is, mounts the two Secrets of the TunePod of the pod's name.
pub(super) fn is_keyed(pod: &Pod) -> bool {
    let name = pod.name_any();
    let Some(spec) = &pod.spec else {
        return false;
    };
    let volume = |secret: &str| {
        let mut all = spec.volumes.iter().flatten();
        let is_it = |v: &&_| -> bool { secret_of(v) == Some(secret) };
        all.find(is_it).map(|v| v.name.clone())
    };
    let (Some(tls), Some(sums)) = (volume(&serving_secret(&name)), volume(&token_sums_secret(&name))) else {
        return false;
    };
    spec.init_containers.iter().flatten().any(|container| {
        let mounts = |volume: &str| container.volume_mounts.iter().flatten().any(|m| m.name == volume);
        mounts(&tls) && mounts(&sums)
    })
}

fn secret_of(volume: &k8s_openapi::api::core::v1::Volume) -> Option<&str> {
    volume.secret.as_ref()?.secret_name.as_deref()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn pod(tls: &str, sums: &str, mounts: &Value) -> Pod {
        serde_json::from_value(json!({
            "metadata": {"name": "order-1-0"},
            "spec": {
                "containers": [],
                "initContainers": [{"name": "tb-sentinel", "volumeMounts": mounts}],
                "volumes": [{"name": "a", "secret": {"secretName": tls}}, {"name": "b", "secret": {"secretName": sums}}],
            },
        }))
        .unwrap()
    }

    #[test]
    fn both_secrets_of_this_tunepod_are_mounted_or_it_is_not_keyed() {
        let both = json!([{"name": "a", "mountPath": "/a"}, {"name": "b", "mountPath": "/b"}]);
        let (tls, sums) = ("tp-order-1-0-tls", "tp-order-1-0-token-sums");
        assert!(is_keyed(&pod(tls, sums, &both)));
        assert!(!is_keyed(&pod("tp-order-2-0-tls", sums, &both)));
        assert!(!is_keyed(&pod(tls, "tp-order-1-0-token", &both)));
        let one = json!([{"name": "a", "mountPath": "/a"}]);
        assert!(!is_keyed(&pod(tls, sums, &one)), "a volume that nobody mounts");
        assert!(!is_keyed(&Pod::default()));
    }
}

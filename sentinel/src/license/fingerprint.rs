//! Which machine this is (spec 7.2, CONTRACTS section 4).
//!
//! The id belongs to the node: the same after a restart of the container and for two pods of one node. Hence
//! no hostname (in a pod it is the pod's name), and the first answer is kept: a metadata service that fails
//! once must not make another machine of this one.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use http::{HeaderName, HeaderValue};
use serde::Deserialize;
use trustbridge_tbenc::hex_digest;

use crate::config::{Config, RuntimeTarget};
use crate::neighbour;

const PRODUCT_UUID: &str = "/sys/class/dmi/id/product_uuid";
const IMDS: IpAddr = IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254));
const IMDS_PATH: &str = "/metadata/instance?api-version=2021-02-01";
const IMDS_TIME: Duration = Duration::from_secs(1);
const KEPT_AS: &str = "hw_id";

/// The id, and whether it had to be found anew.
pub(crate) async fn hardware_id(config: &Config) -> Result<String, String> {
    let kept = config.state_dir.join(KEPT_AS);
    if let Ok(id) = std::fs::read_to_string(&kept) {
        let id = id.trim();
        if !id.is_empty() && id.len() <= 64 {
            return Ok(id.to_owned());
        }
    }
    let imds = RuntimeTarget::Tcp(SocketAddr::new(IMDS, 80));
    let id = find(Path::new(PRODUCT_UUID), &imds, config.node_name.as_deref()).await?;
    // Only a convenience: without it the next start looks again.
    let stored = std::fs::create_dir_all(&config.state_dir).and_then(|()| std::fs::write(&kept, &id));
    if let Err(error) = stored {
        tracing::warn!(%error, "the hardware id could not be kept in TB_STATE_DIR");
    }
    Ok(id)
}

async fn find(product_uuid: &Path, imds: &RuntimeTarget, node: Option<&str>) -> Result<String, String> {
    if let Some(id) = std::fs::read_to_string(product_uuid)
        .ok()
        .and_then(|text| usable_uuid(&text))
    {
        return Ok(id);
    }
    if let Some(vm_id) = vm_id(imds).await {
        return Ok(hex_digest(vm_id.as_bytes()));
    }
    node.map(|name| hex_digest(name.as_bytes())).ok_or_else(|| {
        format!(
            "no hardware id: {PRODUCT_UUID} is not readable, there is no instance metadata service, and \
             TB_NODE_NAME is not set; set TB_NODE_NAME from spec.nodeName"
        )
    })
}

/// Firmware that was never given an id says all zeros or all ones.
fn usable_uuid(text: &str) -> Option<String> {
    let uuid = uuid::Uuid::parse_str(text.trim()).ok()?;
    (!uuid.is_nil() && !uuid.is_max()).then(|| uuid.hyphenated().to_string())
}

#[derive(Deserialize)]
struct Instance {
    compute: Compute,
}

#[derive(Deserialize)]
struct Compute {
    #[serde(rename = "vmId")]
    vm_id: String,
}

async fn vm_id(imds: &RuntimeTarget) -> Option<String> {
    let header = (
        HeaderName::from_static("metadata"),
        HeaderValue::from_static("true"),
    );
    let (status, body) = neighbour::get(imds, IMDS_PATH, Some(header), IMDS_TIME, 1 << 20)
        .await
        .ok()?;
    if !status.is_success() {
        return None;
    }
    let instance: Instance = serde_json::from_slice(&body).ok()?;
    usable_uuid(&instance.compute.vm_id)
}

#[cfg(test)]
mod tests {
    use super::{find, usable_uuid};
    use crate::config::RuntimeTarget;
    use std::path::Path;
    use trustbridge_tbenc::hex_digest;

    async fn imds(answer: &'static str) -> RuntimeTarget {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = axum::Router::new().fallback(move |headers: http::HeaderMap| async move {
            assert_eq!(headers["metadata"], "true");
            answer
        });
        tokio::spawn(async move { axum::serve(listener, router).await });
        RuntimeTarget::Tcp(address)
    }

    const VM: &str = r#"{"compute":{"vmId":"02AAB8A4-74EF-476E-8182-F6D2BA4166A6","name":"x"}}"#;

    #[tokio::test]
    async fn sources_are_asked_in_order() {
        let dir = tempfile::tempdir().unwrap();
        let uuid = dir.path().join("product_uuid");
        let nobody = RuntimeTarget::Unix(dir.path().join("no.sock"));
        let here = imds(VM).await;
        let of_vm = hex_digest(b"02aab8a4-74ef-476e-8182-f6d2ba4166a6");
        assert_eq!(find(&uuid, &here, Some("node")).await.unwrap(), of_vm);
        assert_eq!(
            find(&uuid, &nobody, Some("node")).await.unwrap(),
            hex_digest(b"node")
        );
        assert!(
            find(&uuid, &nobody, None)
                .await
                .unwrap_err()
                .contains("TB_NODE_NAME")
        );
        std::fs::write(&uuid, "4C4C4544-0042-4A10-8052-B4C04F4D3132\n").unwrap();
        let found = find(&uuid, &here, Some("node")).await.unwrap();
        assert_eq!(found, "4c4c4544-0042-4a10-8052-b4c04f4d3132");
    }

    #[tokio::test]
    async fn an_answer_of_another_cloud_is_no_id() {
        let other = imds("<html>").await;
        let found = find(Path::new("/no/such/file"), &other, Some("node"))
            .await
            .unwrap();
        assert_eq!(found, hex_digest(b"node"));
    }

    #[test]
    fn unset_firmware_ids_do_not_count() {
        for text in [
            "",
            "Not Settable",
            "00000000-0000-0000-0000-000000000000",
            "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF",
        ] {
            assert_eq!(usable_uuid(text), None, "{text}");
        }
    }
}

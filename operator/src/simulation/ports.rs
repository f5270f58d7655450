//! Port 8000 of the pods: it takes the tokens whose sums lie in the Secret that the sentinel would read, and is trusted
//! by whoever trusts the authority of the certificate that it would serve.

use crate::public_port::{PortAnswer, PublicPorts, Question};
use data_encoding::{BASE64, HEXLOWER};
use futures::future::BoxFuture;
use serde_json::Value;
use sha2::{Digest, Sha256};
use trustbridge_simkit::apiserver::ApiServer;

/// See the module.
pub(super) struct Ports {
    server: ApiServer,
}

impl PublicPorts for Ports {
    fn ask<'a>(&'a self, question: Question<'a>) -> BoxFuture<'a, PortAnswer> {
        Box::pin(std::future::ready(self.answer(&question)))
    }
}

impl Ports {
    pub(super) fn new(server: &ApiServer) -> Self {
        Self {
            server: server.clone(),
        }
    }

    fn answer(&self, question: &Question<'_>) -> PortAnswer {
        let door = question.server_name.split('.').next().unwrap_or_default();
        let certificate = self.entry(&format!("{door}-tls"), "tls.crt");
        if certificate.is_none() || !question.authorities.contains("BEGIN CERTIFICATE") {
            return PortAnswer::Silent("no certificate, or nobody to trust".to_owned());
        }
        if !self.has_list(question.ip, &format!("{door}-token-sums")) {
            return PortAnswer::Open;
        }
        let sum = HEXLOWER.encode(&Sha256::digest(question.token));
        let sums = self.entry(&format!("{door}-token-sums"), "tokens");
        match sums {
            Some(sums) if sums.lines().any(|line| line == sum) => PortAnswer::Accepted,
            _ => PortAnswer::Refused,
        }
    }

    /// Whether the pod at that address mounts the list: without one a sentinel takes every token.
    fn has_list(&self, ip: &str, sums: &str) -> bool {
        let pods = self.server.all("pods");
        let pod = pods.iter().find(|pod| pod["status"]["podIP"] == ip);
        let volumes = pod.and_then(|pod| pod["spec"]["volumes"].as_array());
        volumes
            .into_iter()
            .flatten()
            .any(|volume| volume["secret"]["secretName"] == sums)
    }

    fn entry(&self, secret: &str, key: &str) -> Option<String> {
        let all = self.server.all("secrets");
        let found = all.iter().find(|one| one["metadata"]["name"] == secret)?;
        let encoded = found["data"].get(key).and_then(Value::as_str)?;
        String::from_utf8(BASE64.decode(encoded.as_bytes()).ok()?).ok()
    }
}

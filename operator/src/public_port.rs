//! Port 8000 of a pod, asked as a buyer asks it: over TLS, by the name of the Service, with the token.
//!
//! The operator asks once before it opens a TunePod's door, and while a new token is on its way to the pod. `/health`
//! answers a request that carries a token only where that token is accepted, is no use of the model and costs nothing. A
//! port without a list accepts every token: so one that nobody has is shown too, and must be refused.

use futures::future::BoxFuture;
use http::Request;
use http::header::AUTHORIZATION;
use kube::client::Body;
use kube::{Client, Config};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use std::error::Error;
use std::net::IpAddr;
use std::time::Duration;
use trustbridge_kit::client::with_causes;
use trustbridge_kit::conditions::cut;

/// The sentinel's port for buyers.
pub const PORT: u16 = 8000;
/// Time for connection, handshake and answer together.
const PATIENCE: Duration = Duration::from_secs(3);
/// Nobody's token: of the form of one, and never made, since tokens are random.
pub const NOBODYS: &str = "tbt_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Whom to ask, and with what. No `Debug`: the token is never printed.
pub struct Question<'a> {
    /// Address of the pod.
    pub ip: &'a str,
    /// Name that its certificate must have.
    pub server_name: &'a str,
    /// Authorities that may have signed it, PEM.
    pub authorities: &'a str,
    /// The bearer token.
    pub token: &'a str,
}

/// What the port answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PortAnswer {
    /// It serves, accepts the token, and refuses nobody's.
    Accepted,
    /// It answers and refuses the token.
    Refused,
    /// It serves whatever token is shown: no list is enforced.
    Open,
    /// No usable answer; why.
    Silent(String),
}

/// Public ports of pods.
pub trait PublicPorts: Send + Sync {
    /// Asks one, within a deadline.
    fn ask<'a>(&'a self, question: Question<'a>) -> BoxFuture<'a, PortAnswer>;
}

/// Ports of pods in the network of the cluster.
pub struct PodNetwork;

impl PublicPorts for PodNetwork {
    fn ask<'a>(&'a self, question: Question<'a>) -> BoxFuture<'a, PortAnswer> {
        Box::pin(async move { ask_at(PORT, &question).await })
    }
}

async fn ask_at(port: u16, question: &Question<'_>) -> PortAnswer {
    let own = ask_once(port, question).await;
    if own != PortAnswer::Accepted {
        return own;
    }
    let nobodys = Question {
        token: NOBODYS,
        ..*question
    };
    enforced(ask_once(port, &nobodys).await)
}

/// What a port that accepts the token is, by its answer to nobody's.
fn enforced(nobodys: PortAnswer) -> PortAnswer {
    match nobodys {
        PortAnswer::Refused => PortAnswer::Accepted,
        PortAnswer::Accepted | PortAnswer::Open => PortAnswer::Open,
        PortAnswer::Silent(words) => PortAnswer::Silent(words),
    }
}

async fn ask_once(port: u16, question: &Question<'_>) -> PortAnswer {
    match tokio::time::timeout(PATIENCE, call(port, question)).await {
        Ok(Ok(status)) => answer_of(status),
        Ok(Err(error)) => PortAnswer::Silent(cut(&with_causes(error.as_ref()))),
        Err(_) => PortAnswer::Silent(format!("no answer within {} s", PATIENCE.as_secs())),
    }
}

async fn call(port: u16, question: &Question<'_>) -> Result<u16, Box<dyn Error + Send + Sync>> {
    let host = match question.ip.parse::<IpAddr>()? {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    };
    let mut roots = Vec::new();
    for certificate in CertificateDer::pem_slice_iter(question.authorities.as_bytes()) {
        roots.push(certificate?.to_vec());
    }
    let mut config = Config::new(format!("https://{host}:{port}").parse()?);
    config.root_cert = Some(roots);
    config.tls_server_name = Some(question.server_name.to_owned());
    config.connect_timeout = Some(PATIENCE);
    config.read_timeout = Some(PATIENCE);
    config.default_retry = false;
    let request = Request::get("/health")
        .header(AUTHORIZATION, format!("Bearer {}", question.token))
        .body(Body::empty())?;
    let answer = Client::try_from(config)?.send(request).await?;
    Ok(answer.status().as_u16())
}

fn answer_of(status: u16) -> PortAnswer {
    match status {
        200 => PortAnswer::Accepted,
        401 => PortAnswer::Refused,
        other => PortAnswer::Silent(format!("it answers {other}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::ServerConfig;
    use rustls::pki_types::PrivateKeyDer;
    use std::sync::Arc;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use trustbridge_issuer::{Authority, Leaf};

    #[test]
    fn only_200_is_yes_and_only_401_is_no() {
        assert_eq!(answer_of(200), PortAnswer::Accepted);
        assert_eq!(answer_of(401), PortAnswer::Refused);
        for other in [204, 302, 403, 404, 503] {
            assert!(matches!(answer_of(other), PortAnswer::Silent(_)), "{other}");
        }
    }

    /// A port that serves this certificate and accepts what starts with `token`.
    async fn port(leaf: &Leaf, token: &'static str) -> u16 {
        let chain = CertificateDer::pem_slice_iter(leaf.cert.as_bytes()).map(Result::unwrap);
        let key = PrivateKeyDer::from_pem_slice(leaf.key.as_bytes()).unwrap();
        let config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(chain.collect(), key)
            .unwrap();
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                // A client that does not trust the certificate leaves here.
                let Ok(mut stream) = acceptor.accept(stream).await else {
                    continue;
                };
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") && stream.read_buf(&mut head).await.unwrap() > 0 {}
                let text = String::from_utf8(head).unwrap();
                assert!(text.starts_with("GET /health "), "{text}");
                let status = if text.contains(&format!("Bearer {token}")) {
                    "200 OK"
                } else {
                    "401 Unauthorized"
                };
                let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
                stream.write_all(answer.as_bytes()).await.unwrap();
                stream.shutdown().await.ok();
            }
        });
        port
    }

    #[tokio::test]
    async fn a_port_is_believed_by_its_name_its_authority_and_its_answer() {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let now = jiff::Timestamp::now();
        let [ours, other] = [(), ()].map(|()| Authority::found("a", now, 3600).unwrap());
        let names = ["tp-a.tb-acme.svc".to_owned()];
        let port = port(&ours.sign("b", &names, now, 600).unwrap(), "tbt_good").await;
        let both = format!("{}{}", other.cert, ours.cert);
        let answer = |server_name, authorities, token| async move {
            let ip = "127.0.0.1";
            let question = Question {
                ip,
                server_name,
                authorities,
                token,
            };
            ask_at(port, &question).await
        };
        let name = "tp-a.tb-acme.svc";
        assert_eq!(answer(name, &ours.cert, "tbt_good").await, PortAnswer::Accepted);
        assert_eq!(
            answer(name, &both, "tbt_good").await,
            PortAnswer::Accepted,
            "one of two"
        );
        assert_eq!(answer(name, &ours.cert, "tbt_bad").await, PortAnswer::Refused);
        for (name, authorities) in [(name, &other.cert), ("tp-a.tb-other.svc", &ours.cert)] {
            let silent = answer(name, authorities, "tbt_good").await;
            assert!(matches!(silent, PortAnswer::Silent(_)), "{name}: {silent:?}");
        }
    }

    #[tokio::test]
    async fn a_port_that_takes_every_token_is_open_and_not_accepted() {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let now = jiff::Timestamp::now();
        let ours = Authority::found("a", now, 3600).unwrap();
        let names = ["tp-a.tb-acme.svc".to_owned()];
        // Every token starts with nothing.
        let port = port(&ours.sign("b", &names, now, 600).unwrap(), "").await;
        let question = Question {
            ip: "127.0.0.1",
            server_name: "tp-a.tb-acme.svc",
            authorities: &ours.cert,
            token: "tbt_good",
        };
        assert_eq!(ask_at(port, &question).await, PortAnswer::Open);
        let silent = PortAnswer::Silent("it answers 503".to_owned());
        assert_eq!(enforced(silent.clone()), silent);
    }

    #[tokio::test]
    async fn nobody_at_the_port_is_silent_and_the_token_is_not_in_its_words() {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let question = |ip| Question {
            ip,
            server_name: "tp-a.tb-acme.svc",
            authorities: "",
            token: "tbt_secret",
        };
        for ip in ["no address", "127.0.0.3"] {
            let PortAnswer::Silent(words) = PodNetwork.ask(question(ip)).await else {
                panic!("{ip} answered");
            };
            assert!(!words.is_empty() && !words.contains("tbt_secret"), "{words}");
        }
    }
}

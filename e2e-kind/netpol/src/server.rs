//! The Unix socket on which the CNI plug-in asks.

use std::fs::Permissions;
use std::future::Future;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc::Sender;
use tokio::sync::oneshot;
use tokio::time::timeout;
use tracing::{debug, warn};

use crate::agent::Message;
use crate::model::Policy;
use crate::protocol::{MAX_LINE, Reply, Request};

/// How long a caller may take to say what it wants.
const READ_DEADLINE: Duration = Duration::from_secs(5);

/// How long the agent's loop may take to answer: longer than it makes an ADD wait.
const ANSWER_DEADLINE: Duration = Duration::from_secs(20);

/// Reads the policies of a namespace at the moment of asking. Without it, a policy made just before a pod
/// might arrive after it, and the pod would start with an open window.
pub trait Lists: Clone + Send + Sync + 'static {
    /// The policies, or for a person why not.
    fn policies(&self, namespace: &str) -> impl Future<Output = Result<Vec<Policy>, String>> + Send;
}

/// Binds the socket, for root alone. What an earlier agent left at the path is removed.
pub fn bind(path: &Path) -> io::Result<UnixListener> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Answers callers until the agent's loop is gone.
pub async fn serve<S: Lists>(listener: UnixListener, lists: S, to: Sender<Message>) {
    loop {
        tokio::select! {
            () = to.closed() => return,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let (lists, to) = (lists.clone(), to.clone());
                    tokio::spawn(async move {
                        if let Err(error) = converse(stream, &lists, &to).await {
                            debug!(%error, "a caller went away");
                        }
                    });
                }
                Err(error) => {
                    warn!(%error, "no connection accepted");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }
}

/// One line in, one line out.
async fn converse<S: Lists>(stream: UnixStream, lists: &S, to: &Sender<Message>) -> io::Result<()> {
    let (reader, mut writer) = stream.into_split();
    let mut line = String::new();
    let mut reader = BufReader::new(reader).take(MAX_LINE);
    timeout(READ_DEADLINE, reader.read_line(&mut line)).await??;
    let reply = match serde_json::from_str::<Request>(&line) {
        Ok(request) => answer(request, lists, to).await,
        Err(error) => failed(format!("the request cannot be read: {error}")),
    };
    let mut text = serde_json::to_vec(&reply)?;
    text.push(b'\n');
    writer.write_all(&text).await
}

async fn answer<S: Lists>(request: Request, lists: &S, to: &Sender<Message>) -> Reply {
    let policies = match &request {
        Request::Add(sandbox) => match lists.policies(&sandbox.namespace).await {
            Ok(policies) => policies,
            Err(error) => return failed(format!("the namespace's policies cannot be listed: {error}")),
        },
        Request::Check(_) | Request::Del(_) | Request::Ping => Vec::new(),
    };
    let (answer, reply) = oneshot::channel();
    if to.send(Message::Ask(request, policies, answer)).await.is_err() {
        return failed("the agent is stopping".to_owned());
    }
    match timeout(ANSWER_DEADLINE, reply).await {
        Ok(Ok(reply)) => reply,
        Ok(Err(_)) => failed("the agent is stopping".to_owned()),
        Err(_) => failed("the agent is busy".to_owned()),
    }
}

fn failed(reason: String) -> Reply {
    Reply::Failed { reason }
}

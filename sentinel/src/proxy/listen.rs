//! Accepting connections: bounded in number, in header size, in time for the head; TLS where it is set.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Proxy;
use super::framing::Watched;

/// Connections at a time, where the process may have files enough.
const CONNECTIONS: usize = 4096;
/// Files that others need: the admin port, logs, FIFOs, downloads.
const OTHER_FILES: usize = 64;
const HEAD_TIME: Duration = Duration::from_secs(30);
const HANDSHAKE_TIME: Duration = Duration::from_secs(10);
const HEAD_BYTES: usize = 64 << 10;
/// When no request came for so long after the end began, kept connections are closed.
const LAST_REQUEST: Duration = Duration::from_millis(500);
/// For the last bytes of the last answer to reach their client.
const LINGER: Duration = Duration::from_secs(2);
/// After an error of accept (no file descriptor left) the loop must not spin.
const PAUSE: Duration = Duration::from_millis(100);

/// The public port while it is open.
pub(crate) struct Serving {
    proxy: Arc<Proxy>,
    stop: CancellationToken,
    cut: CancellationToken,
    ended: oneshot::Receiver<()>,
    /// Of the thread that serves, to keep it busy.
    #[cfg(test)]
    pub(super) thread: tokio::runtime::Handle,
}

impl Serving {
    /// Takes no new connection and lets answers finish, for `grace` at most; what is under way then is cut off. When
    /// this returns, each answer has its record and its usage.
    pub(crate) async fn end(mut self, grace: Duration) {
        self.stop.cancel();
        // An error means that the thread ended without a word.
        if tokio::time::timeout(grace, &mut self.ended).await.is_ok() {
            return;
        }
        let in_flight = self.proxy.shared.in_flight();
        tracing::warn!(in_flight, "requests are cut off at the end of the grace period");
        // Before the first of them ends: their records say who cut them.
        self.proxy.shared.cut();
        self.cut.cancel();
        let _ = self.ended.await;
    }
}

/// Serves on a thread of its own, until [`Serving::end`].
///
/// One thread, because a request is microseconds of work here: handed from one thread to another and back it costs as
/// much again, and one core carries more requests than a model answers.
pub(crate) fn serve(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    proxy: Arc<Proxy>,
) -> io::Result<Serving> {
    let listener = listener.into_std()?;
    let audit = proxy.audit.clone();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        // Nothing is left to do in this turn: its records leave together.
        .on_thread_park(move || audit.write_out())
        .build()?;
    let (stop, cut) = (CancellationToken::new(), CancellationToken::new());
    let (tell, ended) = oneshot::channel();
    let audit = proxy.audit.clone();
    let serving = Serving {
        proxy: proxy.clone(),
        stop: stop.clone(),
        cut: cut.clone(),
        ended,
        #[cfg(test)]
        thread: runtime.handle().clone(),
    };
    std::thread::Builder::new()
        .name("proxy".to_owned())
        .spawn(move || {
            runtime.block_on(async {
                match TcpListener::from_std(listener) {
                    Ok(listener) => tokio::select! {
                        () = accept_all(listener, tls, proxy, stop) => {}
                        () = cut.cancelled() => {}
                    },
                    Err(error) => tracing::error!(%error, "the public port cannot be served"),
                }
            });
            // Answers that are under way end here, and add their records.
            drop(runtime);
            audit.write_out();
            // Nobody listens when the process did not wait for the end.
            let _ = tell.send(());
        })?;
    Ok(serving)
}

/// Accepts until `stop`; then lets every connection finish the answer that it is in.
async fn accept_all(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    proxy: Arc<Proxy>,
    stop: CancellationToken,
) {
    let permits = Arc::new(Semaphore::new(capacity(open_files())));
    let connections = TaskTracker::new();
    let last = CancellationToken::new();
    tokio::spawn(proxy.upstream.clone().close_stale());
    tokio::spawn(proxy.audit.clone().write_in_time());
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = accept(&listener, &permits) => accepted,
        };
        match accepted {
            Ok((stream, permit)) => {
                let (tls, proxy, last) = (tls.clone(), proxy.clone(), last.clone());
                connections.spawn(async move {
                    connection(stream, tls, proxy, last).await;
                    drop(permit);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
    drop(listener);
    connections.close();
    let left = async {
        // Not closed at once: a client that was told nothing of the end may have sent its next request already. It gets
        // an answer that says so, and with it the end of the connection.
        proxy.quiet(LAST_REQUEST).await;
        last.cancel();
        proxy.quiet(LINGER).await;
    };
    tokio::select! {
        () = connections.wait() => {}
        // What is left are clients that have not asked anything yet: half a head, half a handshake. They may wait
        // for half a minute, the end of the process may not.
        () = left => tracing::debug!(connections = connections.len(), "left unanswered"),
    }
}

/// How many files this process may have open, after asking for as many as it can get.
fn open_files() -> u64 {
    match getrlimit(Resource::RLIMIT_NOFILE) {
        Ok((soft, hard)) => match setrlimit(Resource::RLIMIT_NOFILE, hard, hard) {
            Ok(()) => hard,
            Err(_) => soft,
        },
        // The kernel always tells; without an answer the smallest usual limit is the safe guess.
        Err(_) => 1024,
    }
}

/// Connections for so many files: each may need a second one, to the runtime. Clients must not be able to take the
/// last one, or nobody could ask the admin port how the process is.
fn capacity(files: u64) -> usize {
    let files = usize::try_from(files).unwrap_or(usize::MAX);
    (files.saturating_sub(OTHER_FILES) / 2).clamp(1, CONNECTIONS)
}

async fn accept(
    listener: &TcpListener,
    permits: &Arc<Semaphore>,
) -> io::Result<(TcpStream, OwnedSemaphorePermit)> {
    let permit = permits.clone().acquire_owned().await.map_err(io::Error::other)?;
    let (stream, _) = listener.accept().await?;
    stream.set_nodelay(true)?;
    Ok((stream, permit))
}

/// Serves one connection, and closes it when it is idle after `last`.
async fn connection(stream: TcpStream, tls: Option<TlsAcceptor>, proxy: Arc<Proxy>, last: CancellationToken) {
    let Some(tls) = tls else {
        return exchange(stream, proxy, last).await;
    };
    match tokio::time::timeout(HANDSHAKE_TIME, tls.accept(stream)).await {
        Ok(Ok(stream)) => exchange(stream, proxy, last).await,
        Ok(Err(error)) => tracing::debug!(%error, "TLS handshake"),
        Err(_) => tracing::debug!("TLS handshake took too long"),
    }
}

async fn exchange<S>(stream: S, proxy: Arc<Proxy>, last: CancellationToken)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (stream, findings) = Watched::new(stream);
    let service = service_fn(move |request| {
        let (proxy, findings) = (proxy.clone(), findings.clone());
        async move { Ok::<_, Infallible>(proxy.handle(request, &findings).await) }
    });
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .max_buf_size(HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), service);
    let mut serving = std::pin::pin!(serving);
    let ended = tokio::select! {
        ended = &mut serving => ended,
        () = last.cancelled() => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "connection");
    }
}

#[cfg(test)]
mod tests {
    use super::{CONNECTIONS, capacity};

    #[test]
    fn clients_never_get_the_last_files() {
        assert_eq!(capacity(256), 96);
        assert_eq!(capacity(1024), 480);
        assert_eq!(capacity(1 << 20), CONNECTIONS);
        assert_eq!(capacity(u64::MAX), CONNECTIONS);
        assert_eq!(capacity(3), 1);
    }
}

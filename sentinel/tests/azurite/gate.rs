//! Passes bytes on between the sentinel and Azurite, TLS and all, until it is told not to.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::process::eventually;

/// What it does with the bytes that come from the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Open,
    /// Nothing passes after so many bytes of all connections.
    HoldAfter(usize),
}

pub struct Gate {
    pub at: SocketAddr,
    mode: watch::Sender<Mode>,
    /// How often connections were cut.
    cuts: watch::Sender<usize>,
    passed: Arc<AtomicUsize>,
    held: Arc<AtomicUsize>,
}

impl Gate {
    pub fn new(tokio: &tokio::runtime::Handle, store: SocketAddr) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let gate = Self {
            at: listener.local_addr().unwrap(),
            mode: watch::Sender::new(Mode::Open),
            cuts: watch::Sender::new(0),
            passed: Arc::default(),
            held: Arc::default(),
        };
        let (mode, cuts) = (gate.mode.subscribe(), gate.cuts.subscribe());
        let (passed, held) = (gate.passed.clone(), gate.held.clone());
        tokio.spawn(async move {
            let listener = TcpListener::from_std(listener).unwrap();
            while let Ok((client, _)) = listener.accept().await {
                let mut line = Line {
                    mode: mode.clone(),
                    passed: passed.clone(),
                    held: held.clone(),
                };
                let mut cuts = cuts.clone();
                cuts.mark_unchanged();
                tokio::spawn(async move {
                    let Ok(server) = TcpStream::connect(store).await else {
                        return;
                    };
                    let _ = client.set_zero_linger();
                    tokio::select! {
                        () = line.pass(client, server) => {}
                        _ = cuts.changed() => {}
                    }
                });
            }
        });
        gate
    }

    /// Nothing passes to the sentinel any more once so many bytes did.
    pub fn holds_after(&self, bytes: usize) {
        self.mode.send_replace(Mode::HoldAfter(bytes));
    }

    /// Waits until bytes are held back.
    pub fn waits_until_held(&self) {
        eventually("bytes are held back", || self.held.load(Ordering::SeqCst) > 0);
    }

    pub fn opens(&self) {
        self.mode.send_replace(Mode::Open);
    }

    /// Resets every connection; new ones are passed on.
    pub fn cuts(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }
}

struct Line {
    mode: watch::Receiver<Mode>,
    passed: Arc<AtomicUsize>,
    held: Arc<AtomicUsize>,
}

impl Line {
    async fn pass(&mut self, mut client: TcpStream, mut server: TcpStream) {
        let (mut from_client, mut to_client) = client.split();
        let (mut from_server, mut to_server) = server.split();
        let up = tokio::io::copy(&mut from_client, &mut to_server);
        let down = async {
            let mut piece = vec![0; 16 << 10];
            while let Ok(bytes @ 1..) = from_server.read(&mut piece).await {
                self.may_pass(bytes).await;
                if to_client.write_all(&piece[..bytes]).await.is_err() {
                    return;
                }
            }
        };
        tokio::select! {
            _ = up => {}
            () = down => {}
        }
    }

    async fn may_pass(&mut self, bytes: usize) {
        let before = self.passed.fetch_add(bytes, Ordering::SeqCst);
        let passes = |mode: &Mode| !matches!(mode, Mode::HoldAfter(limit) if before >= *limit);
        if passes(&self.mode.borrow()) {
            return;
        }
        self.held.fetch_add(1, Ordering::SeqCst);
        // The gate is gone with its case; then nobody waits for these bytes.
        let _ = self.mode.wait_for(passes).await;
    }
}

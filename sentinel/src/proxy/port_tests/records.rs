//! When a record is written, and who it says cut its answer.

use super::{PATIENCE, Port, lines_of};
use std::time::Duration;
use tokio::io::AsyncReadExt as _;

/// A thread that always has something else to do writes nevertheless, and does not wait until there is much to write.
#[tokio::test]
async fn a_busy_thread_writes_its_records_in_time() {
    let port = Port::open().await;
    let busy = port.serving.thread.spawn(async {
        loop {
            tokio::task::yield_now().await;
        }
    });
    let (_, mut client) = port.ask("GET /v1/models").await;
    client.read_exact(&mut [0; 2]).await.unwrap();
    let waiting = async {
        while lines_of(&port.log).len() < 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.unwrap();
    busy.abort();
}

#[tokio::test]
async fn the_record_of_an_answer_that_broke_off_says_who_cut_it() {
    let port = Port::open().await;
    for (path, bytes) in [("/v1/responses", 5), ("/v1/messages", 4)] {
        let (status, mut client) = port.ask(&format!("POST {path}")).await;
        assert_eq!(status, "200");
        let mut rest = Vec::new();
        // The end of the connection is all that a client can be told.
        let _ = tokio::time::timeout(PATIENCE, client.read_to_end(&mut rest))
            .await
            .unwrap();
        port.eventually(|| port.shared.in_flight() == 0).await;
        let lines = lines_of(&port.log);
        let last = lines.last().unwrap();
        assert_eq!(
            (&last["path"], &last["outcome"], &last["resp_bytes"]),
            (&path.into(), &"mid_stream_error".into(), &bytes.into())
        );
    }
    let (_, client) = port.ask("POST /v1/chat/completions").await;
    drop(client);
    port.eventually(|| port.shared.in_flight() == 0).await;
    assert_eq!(lines_of(&port.log).last().unwrap()["outcome"], "client_closed");
}

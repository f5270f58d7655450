//! An upload that is ended, by kill -9 or by Ctrl-C, is continued by the same command.

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::azurite::Azurite;
use crate::model::{folder, three_shards};
use crate::program::{BY_KEY, trustbridge, upload};

/// How often each block was sent and taken, by its request line without the SAS. One whose sender was killed
/// before it had its answer counts as never taken, whether or not the store kept it.
fn staged(log: &str) -> BTreeMap<String, usize> {
    let mut blocks = BTreeMap::new();
    for line in log.lines().filter(|line| line.contains("comp=block&")) {
        let taken = usize::from(line.contains("\" 201"));
        let request = line.split('"').nth(1).unwrap();
        let (blob, query) = request.split_once('?').unwrap();
        let id = query
            .split('&')
            .find(|pair| pair.starts_with("blockid="))
            .unwrap();
        *blocks.entry(format!("{blob} {id}")).or_default() += taken;
    }
    blocks
}

/// Waits until the store has taken so many more blocks.
fn wait_for_blocks(azurite: &Azurite, child: &mut Child, count: usize) {
    let started = Instant::now();
    while staged(&azurite.log()).len() < count {
        assert!(
            child.try_wait().unwrap().is_none(),
            "ended before {count} blocks: {}",
            azurite.log()
        );
        assert!(started.elapsed() < Duration::from_mins(1));
        sleep(Duration::from_millis(1));
    }
}

fn send_signal(child: &Child, signal: &str) {
    let kill = Command::new("kill")
        .args([signal, &child.id().to_string()])
        .status()
        .unwrap();
    assert!(kill.success());
}

#[test]
fn killed_twice_it_is_finished_by_the_third_run_and_no_block_is_sent_twice() {
    let azurite = Azurite::start();
    three_shards(&azurite, "asset", "tb-killed", 48);
    azurite.make("models", None);
    let slow = format!("{BY_KEY} --concurrency 1");
    for count in [3, 9] {
        let mut child = upload(&azurite, "asset", &slow).spawn();
        wait_for_blocks(&azurite, &mut child, count);
        send_signal(&child, "-KILL");
        assert_eq!(child.wait().unwrap().signal(), Some(9));
        azurite.quiet_log();
        let names: Vec<String> = azurite
            .etags("models")
            .into_iter()
            .map(|(name, _)| name)
            .collect();
        assert!(
            !names.iter().any(|name| name.ends_with("manifest.json")),
            "{names:?}"
        );
    }
    let before = staged(&azurite.quiet_log()).len();
    let said = upload(&azurite, "asset", &slow).json();
    assert!(said["bytes_reused"].as_u64().unwrap() > 0, "{said}");
    let after = staged(&azurite.quiet_log());
    // Each shard is 48 MiB and its records' tags: six blocks of 8 MiB and one more; the configuration is one.
    assert_eq!(after.len(), 3 * 7 + 1);
    assert!(
        before >= 9 && after.values().all(|count| *count <= 1),
        "{after:?}"
    );
    let unanswered = after.values().filter(|count| **count == 0).count();
    assert!(unanswered <= 2, "at most one for each kill: {after:?}");
    for n in 1..=3 {
        let name = format!("files/model-0000{n}-of-00003.safetensors.tbenc");
        let stored = azurite.get(&format!("{}/{name}", folder("tb-killed")));
        assert!(
            stored == std::fs::read(azurite.path("asset").join(&name)).unwrap(),
            "{name}"
        );
    }
    let url = format!(
        "{}/models/tb-killed?{}",
        azurite.container_url("models"),
        azurite.sas("models", "r", 10)
    );
    let ca = azurite.pki.ca.display();
    let checked = trustbridge(
        &azurite,
        &format!("verify --in {url} --key-file asset.key --ca-file {ca}"),
    )
    .json();
    assert_eq!(checked["result"], "ok");
}

#[test]
fn ctrl_c_ends_it_cleanly_and_what_was_sent_is_used() {
    let azurite = Azurite::start();
    three_shards(&azurite, "asset", "tb-stopped", 48);
    azurite.make("models", None);
    let mut child = upload(&azurite, "asset", &format!("{BY_KEY} --concurrency 1")).spawn();
    wait_for_blocks(&azurite, &mut child, 3);
    send_signal(&child, "-INT");
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(130), "{said}");
    assert!(said.contains("run the same command again"), "{said}");
    azurite.quiet_log();
    let said = upload(&azurite, "asset", BY_KEY).json();
    let all = 3 * (48 << 20);
    assert!(said["bytes_sent"].as_u64().unwrap() < all, "{said}");
    assert!(staged(&azurite.quiet_log()).values().all(|count| *count <= 1));
    assert_eq!(azurite.etags("models").len(), 5);
}

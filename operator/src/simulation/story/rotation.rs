//! A new token for each instance while buyers call, whatever fault stands in the way.

use super::World;
use data_encoding::{BASE64, HEXLOWER};
use jiff::Timestamp;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use trustbridge_api::labels;
use trustbridge_kit::clock::Clock as _;
use trustbridge_simkit::apiserver::Key;

/// Seconds between two looks.
const LOOK: i64 = 60;
/// Looks in which it must be over; as many in each run, because what is metered meanwhile is billed and compared.
const LOOKS: usize = 24;

impl World {
    /// What did not come of it: tokens that do not open, or a rotation that does not end.
    pub(super) async fn rotate(&mut self, order: &Key) -> Option<String> {
        let word = json!({labels::ROTATE_TOKEN: "again"});
        let asked = self
            .server
            .edit(order, |order| order["metadata"]["annotations"] = word);
        asked.expect("the order is there");
        let first = self.tokens();
        // When each first one was found replaced.
        let mut replaced: BTreeMap<String, Timestamp> = BTreeMap::new();
        for _ in 0..LOOKS {
            self.round().await;
            let (now, tokens) = (self.clock.now(), self.tokens());
            for (door, token) in &tokens {
                let sums = self.sums(door);
                let accepts = |token: &str| sums.contains(&HEXLOWER.encode(&Sha256::digest(token)));
                if !accepts(token) {
                    return Some(format!("{door}: what the buyer reads does not open"));
                }
                let old = first.get(door).map(String::as_str).unwrap_or_default();
                if old == token {
                    continue;
                }
                let since = *replaced.entry(door.clone()).or_insert(now);
                let overlap = i64::try_from(self.ctx.settings.token_overlap.as_secs()).unwrap_or(i64::MAX);
                // It may have been replaced up to a look before it was found so.
                if now.duration_since(since).as_secs() < overlap - LOOK && !accepts(old) {
                    return Some(format!("{door}: the old token is refused before its time"));
                }
            }
            self.clock.advance(LOOK);
            self.server.set_time(self.clock.now());
        }
        let is_over = |door: &String| replaced.contains_key(door) && self.sums(door).len() == 1;
        let is_done = !first.is_empty() && first.keys().all(is_over);
        (!is_done).then(|| format!("the rotation does not end: replaced {:?}", replaced.keys()))
    }

    /// The buyers' tokens, by the name of their door.
    fn tokens(&self) -> BTreeMap<String, String> {
        let secrets = self.server.all("secrets");
        let tokens = secrets.iter().filter_map(|secret| {
            let door = secret["metadata"]["name"].as_str()?.strip_suffix("-token")?;
            Some((door.to_owned(), entry(secret, "token")?))
        });
        tokens.collect()
    }

    /// What the sentinel behind that door accepts.
    fn sums(&self, door: &str) -> Vec<String> {
        let (secrets, name) = (self.server.all("secrets"), format!("{door}-token-sums"));
        let kept = secrets
            .iter()
            .find(|secret| secret["metadata"]["name"] == name.as_str());
        let lines = kept
            .and_then(|secret| entry(secret, "tokens"))
            .unwrap_or_default();
        lines.lines().map(str::to_owned).collect()
    }
}

fn entry(secret: &Value, key: &str) -> Option<String> {
    let encoded = secret["data"].get(key)?.as_str()?;
    String::from_utf8(BASE64.decode(encoded.as_bytes()).ok()?).ok()
}

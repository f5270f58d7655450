//! What a seller does with the invoices of an order that ended: takes back of them, and records what was paid.

use super::*;

const INVOICES: &str = "invoices.trustbridge.io";

impl World {
    /// Credits and payments for every invoice over something, until nothing is open any more; otherwise how it stands.
    pub(super) async fn settle(&mut self, order: &Key) -> Option<String> {
        let due: Vec<(Key, i64)> = self
            .server
            .everything()
            .into_iter()
            .filter(|(key, _)| key.plural == INVOICES)
            .filter_map(|(key, invoice)| {
                let total = invoice.pointer("/status/bill/totalMinor")?.as_i64()?;
                (total >= 3).then_some((key, total))
            })
            .collect();
        for (key, total) in &due {
            let asked = |invoice: &mut Value| {
                let credit =
                    |id: &str, minor: i64| json!({"id": id, "amountMinor": minor, "reason": "it was ours"});
                invoice["spec"]["credits"] = json!([credit("cn-1", total / 2), credit("cn-2", 1)]);
                let rest = total - total / 2 - 1;
                invoice["spec"]["payments"] =
                    json!([{"reference": "trx-1", "amountMinor": rest, "receivedOn": "2026-11-19"}]);
            };
            self.server.edit(key, asked).expect("the invoice is there");
        }
        if let Some(stuck) = self.until("Terminated", order).await {
            return Some(stuck);
        }
        let all = self.server.all(INVOICES);
        let is_note = |invoice: &Value| invoice["spec"]["type"] == "creditNote";
        let notes = all
            .iter()
            .filter(|i| is_note(i) && i["status"]["phase"] == "Issued");
        let open = all
            .iter()
            .filter(|i| !is_note(i) && i["status"]["phase"] != "Paid");
        let (notes, open) = (notes.count(), open.count());
        let is_settled = !due.is_empty() && notes == 2 * due.len() && open == 0;
        (!is_settled).then(|| {
            format!(
                "{} invoices were settled, with {notes} credit notes; {open} are open: {all:#?}",
                due.len()
            )
        })
    }
}

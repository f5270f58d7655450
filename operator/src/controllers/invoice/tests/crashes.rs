//! A small API server, and an operator that dies before and after each of its writes.

use super::*;
use crate::controllers::execute::status_write;
use std::collections::BTreeMap;

/// What the API server holds, with its lock and its versions.
#[derive(Clone, Default, Debug)]
pub(super) struct Store(pub(super) BTreeMap<String, Invoice>);

impl PartialEq for Store {
    fn eq(&self, other: &Self) -> bool {
        let [one, other] = [self, other].map(|store| serde_json::to_value(&store.0).unwrap());
        one == other
    }
}

impl Store {
    /// A create; the name is the lock.
    fn create(&mut self, invoice: Invoice) {
        self.0.entry(invoice.name_any()).or_insert_with(|| Invoice {
            metadata: kube::core::ObjectMeta {
                resource_version: Some("1".to_owned()),
                ..invoice.metadata
            },
            ..invoice
        });
    }

    /// A write of the status at a version; whether it was taken.
    fn status(&mut self, seen: &Invoice, new: &Invoice) -> bool {
        let held = self.0.get_mut(&seen.name_any()).unwrap();
        let version = |i: &Invoice| i.metadata.resource_version.clone().unwrap_or_default();
        if version(held) != version(seen) {
            return false;
        }
        let next = version(held).parse::<u32>().unwrap() + 1;
        held.status.clone_from(&new.status);
        held.metadata.resource_version = Some(next.to_string());
        true
    }
}

/// Where a run stops: before the write of that number, or after it.
#[derive(Clone, Copy)]
struct Crash {
    write: usize,
    after: bool,
}

/// One run of both loops; `false`: it crashed.
fn run(account: &Account, store: &mut Store, now: &str, crash: Option<Crash>, count: &mut usize) -> bool {
    let mut may = |store: &mut Store, write: &mut dyn FnMut(&mut Store)| {
        let here = crash.filter(|c| c.write == *count);
        *count += 1;
        match here {
            Some(Crash { after: false, .. }) => return false,
            Some(_) => {
                write(store);
                return false;
            }
            None => write(store),
        }
        true
    };
    let mut account = account.clone();
    account.invoices = store.0.keys().cloned().collect();
    let periods = due::periods(&account, at(now));
    for (schedule, period) in due::missing(&account, periods) {
        let built = invoice(&account, basis(&account, schedule, period, at(now)));
        let made: Invoice = serde_json::from_value(built.body).unwrap();
        if !may(store, &mut |store| store.create(made.clone())) {
            return false;
        }
    }
    for seen in store.0.clone().into_values().filter(is_open) {
        let plan = decide(&seen, Ok(&seller().signer), at(now));
        if status_write(&seen, seen.status.as_ref(), &plan.status).is_none() {
            continue;
        }
        let new = Invoice {
            status: Some(plan.status),
            ..seen.clone()
        };
        let write = &mut |store: &mut Store| assert!(store.status(&seen, &new));
        if !may(store, write) {
            return false;
        }
    }
    true
}

pub(super) fn settled(account: &Account, now: &str) -> (Store, usize) {
    let (mut store, mut writes) = (Store::default(), 0);
    assert!(run(account, &mut store, now, None, &mut writes));
    (store, writes)
}

#[test]
fn a_crash_at_any_write_leads_to_the_same_invoices() {
    let now = "2026-01-16T12:05:00Z";
    let mut held = ended();
    held.records[0] = record("t", "2026-01-15", false);
    let mut plans = 0;
    for account in [ended(), held] {
        let (wanted, writes) = settled(&account, now);
        assert_eq!(writes, 6, "three are written down, three are billed or held");
        for write in 0..writes {
            for after in [false, true] {
                let (mut store, mut count) = (Store::default(), 0);
                assert!(!run(
                    &account,
                    &mut store,
                    now,
                    Some(Crash { write, after }),
                    &mut count
                ));
                assert!(run(&account, &mut store, now, None, &mut 0));
                assert_eq!(store, wanted, "crash at write {write}, after: {after}");
                plans += 1;
            }
        }
        let (mut again, mut none) = (wanted.clone(), 0);
        assert!(run(&account, &mut again, now, None, &mut none));
        assert_eq!((again, none), (wanted, 0), "at rest nothing is written");
    }
    println!("{plans} crashes, the same invoices");
}

#[test]
fn an_old_view_neither_doubles_nor_changes_an_invoice() {
    let (account, now) = (ended(), "2026-01-16T12:05:00Z");
    let (store, _) = settled(&account, now);
    // Somebody who has not seen the invoices writes them down again, later and with other hours in view.
    let mut stale = account.clone();
    stale.tunepods[0].status.as_mut().unwrap().intervals.truncate(1);
    let mut other = store.clone();
    for (schedule, period) in due::periods(&stale, at("2026-02-20T00:00:00Z")) {
        let built = invoice(
            &stale,
            basis(&stale, schedule, period, at("2026-02-20T00:00:00Z")),
        );
        other.create(serde_json::from_value(built.body).unwrap());
    }
    assert_eq!(other, store);
    // Somebody who saw the draft bills it once more, on another day.
    for held in store.0.values() {
        let mut draft = held.clone();
        draft.status = None;
        draft.metadata.resource_version = Some("1".to_owned());
        let plan = decide(&draft, Ok(&seller().signer), at("2026-02-20T00:00:00Z"));
        let mut billed = draft.clone();
        billed.status = Some(plan.status);
        assert!(!other.status(&draft, &billed), "its version is over");
    }
    assert_eq!(other, store);
}

//! A real folder that fails, and a machine that dies, before, within and after each write.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};

use super::dice::Dice;
use crate::billing::books;
use crate::billing::storage::{Folder, Storage};

/// Of a hundred writes so many go wrong.
const CHANCE: u64 = 8;

/// What goes wrong, and what went wrong.
#[allow(
    clippy::struct_excessive_bools,
    reason = "four facts that do not depend on each other"
)]
#[derive(Debug)]
pub(super) struct Chaos {
    dice: Dice,
    left_out: Option<&'static str>,
    /// Nothing goes wrong any more.
    pub(super) calm: bool,
    /// The machine is dead: nothing works until the next start.
    pub(super) crashed: bool,
    /// Something went wrong at least once.
    pub(super) failed: bool,
    /// A write that was said to have failed is on the disk.
    pub(super) landed: bool,
    pub(super) faults: BTreeMap<&'static str, u64>,
}

#[derive(Clone, Copy)]
enum Fate {
    Well,
    DieBefore,
    DieWithin,
    DieAfter,
    /// No room; the machine lives.
    Fail,
}

impl Chaos {
    pub(super) fn new(seed: u64, left_out: Option<&'static str>) -> Self {
        Self {
            dice: Dice(seed ^ 0xd15c),
            left_out,
            calm: false,
            crashed: false,
            failed: false,
            landed: false,
            faults: BTreeMap::new(),
        }
    }

    fn fate(&mut self) -> Fate {
        if self.calm || !self.dice.percent(CHANCE) {
            return Fate::Well;
        }
        self.failed = true;
        let (name, fate) = match self.dice.roll(4) {
            0 => ("died before a write", Fate::DieBefore),
            1 => ("died within a write", Fate::DieWithin),
            2 => ("died after a write", Fate::DieAfter),
            _ => ("write refused", Fate::Fail),
        };
        *self.faults.entry(name).or_default() += 1;
        self.crashed = !matches!(fate, Fate::Fail);
        fate
    }
}

pub(super) struct Disk {
    folder: Folder,
    chaos: Arc<Mutex<Chaos>>,
}

impl Disk {
    pub(super) fn open(path: &Path, chaos: Arc<Mutex<Chaos>>) -> Self {
        Self {
            folder: Folder::open(path).unwrap(),
            chaos,
        }
    }

    fn chaos(&self) -> MutexGuard<'_, Chaos> {
        self.chaos.lock().unwrap()
    }

    /// As much of it as was written when the power went.
    fn beginning<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        let roll = self.chaos().dice.roll(bytes.len() as u64);
        &bytes[..usize::try_from(roll).unwrap()]
    }

    fn fate(&self) -> io::Result<Fate> {
        let mut chaos = self.chaos();
        if chaos.crashed {
            return Err(io::Error::other("the machine is dead"));
        }
        Ok(chaos.fate())
    }
}

fn error() -> io::Error {
    io::ErrorKind::StorageFull.into()
}

impl Storage for Disk {
    fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        if self.chaos().crashed {
            return Err(io::Error::other("the machine is dead"));
        }
        self.folder.read(name)
    }

    fn append(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let fate = self.fate()?;
        match fate {
            Fate::Well => return self.folder.append(name, bytes),
            Fate::DieBefore => {}
            Fate::DieWithin | Fate::Fail => {
                let beginning = self.beginning(bytes);
                self.folder.append(name, beginning)?;
            }
            Fate::DieAfter => {
                self.folder.append(name, bytes)?;
                self.chaos().landed = true;
            }
        }
        Err(error())
    }

    fn truncate(&mut self, name: &str, bytes: u64) -> io::Result<()> {
        match self.fate()? {
            Fate::Well => self.folder.truncate(name, bytes),
            Fate::DieAfter => self.folder.truncate(name, bytes).and(Err(error())),
            Fate::DieBefore | Fate::DieWithin | Fate::Fail => Err(error()),
        }
    }

    fn replace(&mut self, name: &str, content: &[u8]) -> io::Result<()> {
        let left_out = self.chaos().left_out;
        if name == books::NAME && left_out.is_some_and(|part| String::from_utf8_lossy(content).contains(part))
        {
            return Ok(());
        }
        match self.fate()? {
            Fate::Well => self.folder.replace(name, content),
            Fate::DieAfter => self.folder.replace(name, content).and(Err(error())),
            Fate::DieBefore | Fate::Fail => Err(error()),
            Fate::DieWithin => {
                // The new content is written in part, and not yet in the old one's place.
                let half = &content[..content.len() / 2];
                self.folder
                    .replace(&format!("{name}.tmp"), half)
                    .and(Err(error()))
            }
        }
    }
}

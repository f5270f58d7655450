//! What this process may still touch once it has started (Landlock; Linux 5.13 and later).
//!
//! A bug in a parser, or a path that somebody swapped, must not become a way to the node's files. The fence is closed
//! before the first thread of the runtime begins and holds for all of them. Kernels that know less enforce less;
//! `/status` says what holds.

use std::collections::BTreeSet;
use std::fs::{DirBuilder, OpenOptions};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, NetPort, Ruleset, RulesetAttr as _,
    RulesetCreatedAttr as _, RulesetError, RulesetStatus, Scope, path_beneath_rules,
};
use trustbridge_azure::http::SYSTEM_BUNDLE;

use crate::config::{Attestation, CertPair, Config};

/// What is asked for; a kernel that knows less gives what it has.
const NEWEST: ABI = ABI::V6;

/// Names, certificates and what a resolver reads, whose files are replaced while the process lives; the process's
/// limits; the machine's id; the source of random numbers, and the device that says whether it is ready: what links
/// statically asks both. Nothing of `/proc`: a rule is for an inode, and the kernel makes new ones there whenever it
/// dropped the old ones from its caches, so what is open at first would be closed later.
const SYSTEM: [&str; 5] = [
    "/etc",
    "/sys/fs/cgroup",
    "/sys/class/dmi/id/product_uuid",
    "/dev/urandom",
    "/dev/random",
];

/// Where the kernel of a confidential machine gives reports: a program makes a folder there, writes its nonce and reads.
const REPORTS: &str = "/sys/kernel/config/tsm";

/// How much of what was asked for the kernel enforces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fenced {
    /// All of it.
    Full,
    /// Writing and ports; reading and running are open, for the attestation program.
    WritesOnly,
    /// What this kernel knows of it.
    Partial,
    /// Nothing: the kernel has no Landlock, or it is turned off.
    No,
}

impl Fenced {
    /// The word for status and logs.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::WritesOnly => "writes_only",
            Self::Partial => "partial",
            Self::No => "none",
        }
    }
}

/// The places that stay open. Files that are replaced by their owner (certificates, tokens) are named by their folder:
/// the new one is another file to the kernel.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fence {
    read: BTreeSet<PathBuf>,
    write: BTreeSet<PathBuf>,
    termination_log: PathBuf,
    /// Folders of plaintext, made for their owner alone where they are not there.
    memory: BTreeSet<PathBuf>,
    ports: [u16; 2],
    runs_programs: bool,
}

impl Fence {
    pub(crate) fn of(config: &Config) -> Self {
        let mut read: BTreeSet<PathBuf> = SYSTEM.iter().map(PathBuf::from).collect();
        read.extend(folder_of(Path::new(SYSTEM_BUNDLE)));
        let pairs = [&config.client_cert, &config.public_tls].into_iter().flatten();
        let mut files: Vec<&Path> = pairs
            .flat_map(|CertPair { cert, key }| [cert.as_path(), key.as_path()])
            .collect();
        files.extend(config.ca_path.as_deref());
        files.extend(config.tokens_path.as_deref());
        let lease = config.lease.iter();
        files.extend(lease.flat_map(|lease| [lease.token_path.as_path(), lease.ca_path.as_path()]));
        let federated = config.own_meter.as_ref().and_then(|own| own.federated.as_ref());
        files.extend(federated.map(|federated| federated.token_file.as_path()));
        if let Attestation::File(path) = &config.attestation {
            files.push(path);
        }
        read.extend(files.iter().copied().filter_map(folder_of));
        // Where one is a link, or the resolver's file is, its target is replaced as well.
        files.push(Path::new("/etc/resolv.conf"));
        let targets = files.iter().filter_map(|file| std::fs::canonicalize(file).ok());
        read.extend(targets.filter_map(|target| folder_of(&target)));
        let mut memory = BTreeSet::from([config.model_dir.clone()]);
        memory.extend(
            [&config.pipe_path, &config.ready_signal]
                .into_iter()
                .filter_map(|path| folder_of(path)),
        );
        let mut write = BTreeSet::from([config.target_dir.clone(), config.state_dir.clone()]);
        write.extend(folder_of(&config.audit_path));
        Self {
            read,
            write,
            memory,
            termination_log: config.termination_log.clone(),
            ports: [config.public_addr.port(), config.admin_addr.port()],
            runs_programs: matches!(config.attestation, Attestation::Exec(_)),
        }
    }

    /// Closes it around this thread and those that it starts from now on.
    pub(crate) fn close(&self) -> Result<Fenced, RulesetError> {
        self.make_places();
        let everything = AccessFs::from_all(NEWEST);
        let reading = AccessFs::ReadFile | AccessFs::ReadDir;
        let mut rules = Ruleset::default()
            .handle_access(everything)?
            .handle_access(AccessNet::BindTcp)?
            .scope(Scope::from_all(NEWEST))?
            .create()?
            .add_rules(path_beneath_rules(&self.read, reading))?
            .add_rules(path_beneath_rules(
                self.write.iter().chain(&self.memory),
                writing(),
            ))?
            .add_rules(path_beneath_rules(
                ["/dev/null"],
                AccessFs::ReadFile | AccessFs::WriteFile,
            ))?
            .add_rules(path_beneath_rules(
                [&self.termination_log],
                AccessFs::WriteFile | AccessFs::Truncate,
            ))?;
        for port in self.ports {
            rules = rules.add_rule(NetPort::new(port, AccessNet::BindTcp))?;
        }
        if self.runs_programs {
            // What gathers evidence is the machine's own business: its libraries, its devices.
            let devices = AccessFs::ReadFile | AccessFs::WriteFile | AccessFs::IoctlDev;
            rules = rules
                .add_rules(path_beneath_rules(["/"], reading | AccessFs::Execute))?
                .add_rules(path_beneath_rules(["/dev"], devices))?
                .add_rules(path_beneath_rules([REPORTS], writing()))?;
        }
        Ok(match rules.restrict_self()?.ruleset {
            RulesetStatus::NotEnforced => Fenced::No,
            RulesetStatus::PartiallyEnforced => Fenced::Partial,
            RulesetStatus::FullyEnforced if self.runs_programs => Fenced::WritesOnly,
            RulesetStatus::FullyEnforced => Fenced::Full,
        })
    }

    /// A place must be there to stay open. One that cannot be made is told by whoever needs it.
    fn make_places(&self) {
        for place in &self.write {
            drop(DirBuilder::new().recursive(true).create(place));
        }
        for place in &self.memory {
            drop(DirBuilder::new().recursive(true).mode(0o700).create(place));
        }
        drop(
            OpenOptions::new()
                .append(true)
                .create(true)
                .open(&self.termination_log),
        );
    }
}

/// Everything that files, folders and FIFOs need; no devices, no sockets, no links, nothing to run.
fn writing() -> BitFlags<AccessFs> {
    AccessFs::ReadFile
        | AccessFs::ReadDir
        | AccessFs::WriteFile
        | AccessFs::Truncate
        | AccessFs::MakeReg
        | AccessFs::MakeDir
        | AccessFs::MakeFifo
        | AccessFs::RemoveFile
        | AccessFs::RemoveDir
        | AccessFs::Refer
}

/// The folder of a file; of one that lies in the root, the file itself.
fn folder_of(path: &Path) -> Option<PathBuf> {
    let folder = path.parent()?;
    Some(if folder.parent().is_some() { folder } else { path }.to_owned())
}

#[cfg(test)]
mod tests {
    use super::{Fence, Fenced, folder_of};
    use crate::config::Config;
    use std::fs;
    use std::io::ErrorKind;
    use std::net::TcpListener;
    use std::path::{Path, PathBuf};

    /// Settings whose places all lie below one folder.
    fn config(dir: &Path, more: &[(&str, &str)]) -> Config {
        let place = |name: &str| dir.join(name).display().to_string();
        let vars = [
            ("TB_CONTRACT_ID", "contract-1".to_owned()),
            ("TB_ASSET_ID", "asset-1".to_owned()),
            ("TB_EDC_ENDPOINT", "https://control.example".to_owned()),
            ("TB_TARGET_DIR", place("cipher")),
            ("TB_STATE_DIR", place("state")),
            ("TB_MODEL_DIR", place("memory/model")),
            ("TB_PIPE_PATH", place("memory/pipe")),
            ("TB_READY_SIGNAL", place("memory/ready")),
            ("TB_AUDIT_PATH", place("audit/audit.jsonl")),
            ("TB_TERMINATION_LOG", place("termination-log")),
            ("TB_TOKENS_PATH", place("tokens/tokens")),
            ("TB_ADMIN_ADDR", "127.0.0.1:18001".to_owned()),
        ];
        let more = more.iter().map(|(name, value)| (*name, (*value).to_owned()));
        let vars = vars.into_iter().chain(more);
        let vars = vars.map(|(name, value)| (name.to_owned(), value));
        Config::load(vars).unwrap().config
    }

    /// Runs it on a thread of its own: Landlock is for ever.
    fn apart<T: Send>(deed: impl FnOnce() -> T + Send) -> T {
        std::thread::scope(|scope| scope.spawn(deed).join().unwrap())
    }

    fn denied<T>(done: &std::io::Result<T>) -> bool {
        matches!(done, Err(error) if error.kind() == ErrorKind::PermissionDenied)
    }

    #[test]
    fn what_is_needed_stays_open_and_nothing_else() {
        let (dir, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let secret = outside.path().join("secret");
        fs::write(&secret, "of the node").unwrap();
        fs::create_dir(dir.path().join("tokens")).unwrap();
        let fence = Fence::of(&config(dir.path(), &[]));
        let swapped = dir.path().join("tokens/tokens");
        std::os::unix::fs::symlink(&secret, &swapped).unwrap();
        // The control: without the fence all of it succeeds, as root or not.
        assert!(fs::read(&secret).is_ok() && fs::read(&swapped).is_ok() && fs::read_dir("/").is_ok());
        apart(|| {
            assert_eq!(fence.close().unwrap(), Fenced::Full);
            for place in ["cipher/files", "state", "memory/model", "audit"] {
                let place = dir.path().join(place);
                fs::create_dir_all(&place).unwrap();
                fs::write(place.join("a"), "a").unwrap();
                fs::rename(place.join("a"), place.join("b")).unwrap();
                assert_eq!(fs::read(place.join("b")).unwrap(), b"a");
                fs::remove_file(place.join("b")).unwrap();
            }
            fs::write(dir.path().join("termination-log"), "why").unwrap();
            assert!(fs::read("/etc/hosts").is_ok() && fs::read_dir("/sys/fs/cgroup").is_ok());
            // A file that is not among them: by its name, by a link that somebody put in place, for writing.
            assert!(denied(&fs::read(&secret)) && denied(&fs::read(&swapped)));
            assert!(denied(&fs::write(outside.path().join("new"), "x")));
            assert!(denied(&fs::write(dir.path().join("tokens/new"), "x")));
            assert!(denied(&fs::read_dir("/")) && denied(&fs::read("/proc/1/cmdline")));
            let program = std::process::Command::new("/bin/true").status();
            assert!(denied(&program), "{program:?}");
        });
        assert!(fs::read(&secret).is_ok());
    }

    /// What is needed of `/proc` was read before: behind the fence its files come and go with the kernel's caches.
    #[test]
    fn the_control_group_is_known_behind_the_fence() {
        let dir = tempfile::tempdir().unwrap();
        let fence = Fence::of(&config(dir.path(), &[]));
        let own = fs::read_to_string("/proc/self/cgroup").unwrap();
        assert_eq!(crate::decrypt::control_group(), own);
        apart(|| {
            fence.close().unwrap();
            for file in ["/proc/self/cgroup", "/proc/meminfo"] {
                assert!(denied(&fs::read(file)), "{file}");
            }
            assert_eq!(crate::decrypt::control_group(), own);
        });
    }

    #[test]
    fn a_link_to_a_file_elsewhere_stays_readable() {
        let (dir, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let outside = tempfile::tempdir().unwrap();
        let others = outside.path().join("others");
        fs::write(&others, "of the node").unwrap();
        let mut more = Vec::new();
        for (field, name) in [
            ("TB_CA_PATH", "ca.crt"),
            ("TB_TLS_CERT_PATH", "tls.crt"),
            ("TB_TLS_KEY_PATH", "tls.key"),
            ("TB_ATTESTATION", "quote"),
        ] {
            let (target, link) = (elsewhere.path().join(name), dir.path().join(name));
            fs::write(&target, name).unwrap();
            std::os::unix::fs::symlink(&target, &link).unwrap();
            let scheme = if field == "TB_ATTESTATION" { "file:" } else { "" };
            more.push((field, format!("{scheme}{}", link.display()), link));
        }
        let vars: Vec<_> = more
            .iter()
            .map(|(field, value, _)| (*field, value.as_str()))
            .collect();
        let fence = Fence::of(&config(dir.path(), &vars));
        apart(|| {
            assert_eq!(fence.close().unwrap(), Fenced::Full);
            for (field, _, link) in &more {
                assert!(fs::read(link).is_ok(), "{field}");
            }
            assert!(denied(&fs::write(elsewhere.path().join("new"), "x")));
            assert!(denied(&fs::read(&others)));
        });
    }

    #[test]
    fn only_the_two_ports_are_bound() {
        let dir = tempfile::tempdir().unwrap();
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let admin = free.to_string();
        let fence = Fence::of(&config(dir.path(), &[("TB_ADMIN_ADDR", &admin)]));
        apart(|| {
            fence.close().unwrap();
            assert!(TcpListener::bind(free).is_ok());
            assert!(denied(&TcpListener::bind("127.0.0.1:0")));
        });
        assert!(TcpListener::bind("127.0.0.1:0").is_ok());
    }

    #[test]
    fn an_attestation_program_runs_and_writes_nowhere_else() {
        let dir = tempfile::tempdir().unwrap();
        let outside = tempfile::tempdir().unwrap();
        let fence = Fence::of(&config(dir.path(), &[("TB_ATTESTATION", "exec:/bin/true")]));
        apart(|| {
            assert_eq!(fence.close().unwrap(), Fenced::WritesOnly);
            assert!(
                std::process::Command::new("/bin/true")
                    .status()
                    .unwrap()
                    .success()
            );
            assert!(denied(&fs::write(outside.path().join("new"), "x")));
        });
    }

    #[test]
    fn a_file_is_named_by_its_folder() {
        assert_eq!(
            folder_of(Path::new("/etc/tb/ca.crt")),
            Some(PathBuf::from("/etc/tb"))
        );
        assert_eq!(folder_of(Path::new("/ca.crt")), Some(PathBuf::from("/ca.crt")));
        assert_eq!(folder_of(Path::new("/")), None);
    }
}

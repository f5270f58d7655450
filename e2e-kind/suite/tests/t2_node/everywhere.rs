//! Nothing secret in logs, events, objects, environments, command lines, nor in any file that a container of the pod
//! sees, memory included; and the same search finds what is planted in each of those places.

use crate::isolation::processes_of;
use crate::lab::Lab;
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use trustbridge_e2e::buyer::Purchase;
use trustbridge_e2e::canary::Needle;
use trustbridge_e2e::install::NAMESPACE;
use trustbridge_e2e::kubectl::Kubectl;
use trustbridge_e2e::provider::ASSET;
use trustbridge_e2e::{pod, wait};
use walkdir::WalkDir;

/// Objects that the API server shows to somebody, or keeps.
const KINDS: &str = "pods,events,configmaps,secrets,services,endpointslices,nodes,namespaces,leases,deployments,\
    tunepods,orders,quotes,offers,buyerorgs,modelassets,usagerecords,invoices,wipeevidences";
/// Name of what is planted.
const PLANT: &str = "t2-planted-canary";
/// A namespace of no organisation.
const NOBODYS: &str = "default";
/// Its file with the asset's key in hex, as a program would write it down, and the one with the account's key in Base64.
const KEY_PLANT: &str = "t2-planted-key";
const ACCOUNT_PLANT: &str = "t2-planted-account";
const TOKEN_PLANT: &str = "t2-planted-token";

const ACCOUNT: &str = "the account's key";
const TOKEN: &str = "the buyer's token";

/// What is looked for.
struct Secrets {
    plaintext: Needle,
    key: Needle,
    /// Of the storage account. Its owner, outside of the cluster, has it in its environment.
    account: Needle,
    /// The buyer's bearer token. It stands in Secrets and nowhere else.
    token: Needle,
    /// Both keys as text, to plant them in memory.
    key_text: String,
    account_text: String,
    token_text: String,
}

pub async fn nothing_secret(lab: &Lab) -> Result<()> {
    let purchase = lab.serving().await?;
    let uid = pod::get(&lab.world, purchase)
        .await?
        .metadata
        .uid
        .context("a UID")?;
    let secrets = secrets(lab, purchase).await?;
    let found = search(lab, &uid, &secrets).await?;
    ensure!(found.is_empty(), "something secret stands in {found:?}");
    let planted = Planted::plant(lab, purchase, &uid, &secrets).await?;
    let seen = search(lab, &uid, &secrets).await;
    planted.gone(lab, purchase).await?;
    let seen = seen?;
    // The positive control: each kind of place, and both containers' view of the pod's memory.
    for place in [
        "log of ",
        "object Event ",
        "object Pod ",
        "object UsageRecord ",
        "environ of ",
        "cmdline of ",
    ] {
        ensure!(
            seen.iter().any(|s| s.starts_with(place)),
            "what was planted in '{place}' was not found: {seen:?}"
        );
    }
    for place in ["object ConfigMap ", "environ of ", "cmdline of "] {
        ensure!(
            seen.iter().any(|s| s.starts_with(place) && s.ends_with(TOKEN)),
            "the token that was planted in '{place}' was not found: {seen:?}"
        );
    }
    for (name, what) in [
        (PLANT, "plaintext"),
        (KEY_PLANT, "the asset's key"),
        (ACCOUNT_PLANT, ACCOUNT),
        (TOKEN_PLANT, TOKEN),
    ] {
        let end = format!("/{name}: {what}");
        let files = seen
            .iter()
            .filter(|s| s.starts_with("file ") && s.ends_with(&end))
            .count();
        ensure!(
            files == 2,
            "{files} of the 2 containers show the planted file {name}: {seen:?}"
        );
    }
    println!(
        "9.2) nothing secret in logs, events, objects, environments, command lines and the containers' files; planted and found in {} places",
        seen.len()
    );
    Ok(())
}

async fn secrets(lab: &Lab, purchase: &Purchase) -> Result<Secrets> {
    let token_text = purchase.token(&lab.world).await?;
    let account = fs::read_to_string(lab.stage.account_key_file())?;
    let account_text = account.trim().to_owned();
    let account = data_encoding::BASE64.decode(account_text.as_bytes())?;
    let key =
        asset_key(&lab.stage.folder().join("control-plane"))?.context("the control plane keeps no key")?;
    let key_text = key;
    let key = data_encoding::HEXLOWER_PERMISSIVE.decode(key_text.as_bytes())?;
    Ok(Secrets {
        plaintext: lab.canary.needle(),
        key: Needle::of(&key),
        account: Needle::of(&account),
        token: Needle::of(token_text.as_bytes()),
        key_text,
        account_text,
        token_text,
    })
}

/// The asset's key, as the control plane keeps it outside of the cluster.
fn asset_key(folder: &Path) -> Result<Option<String>> {
    for entry in WalkDir::new(folder) {
        let entry = entry?;
        let Some(text) = entry
            .file_type()
            .is_file()
            .then(|| fs::read(entry.path()))
            .transpose()?
        else {
            continue;
        };
        let Ok(value) = serde_json::from_slice::<Value>(&text) else {
            continue;
        };
        if let Some(key) = key_in(&value, "") {
            return Ok(Some(key));
        }
    }
    Ok(None)
}

/// The key of the object that says that it is the asset, or stands under its name.
fn key_in(value: &Value, name: &str) -> Option<String> {
    match value {
        Value::Object(fields) => {
            let is_ours = name == ASSET || fields.get("asset_id").and_then(Value::as_str) == Some(ASSET);
            let own = fields.get("decryption_key_hex").and_then(Value::as_str);
            own.filter(|_| is_ours)
                .map(str::to_owned)
                .or_else(|| fields.iter().find_map(|(name, inner)| key_in(inner, name)))
        }
        Value::Array(items) => items.iter().find_map(|inner| key_in(inner, "")),
        _ => None,
    }
}

impl Secrets {
    /// What of it stands in there, where what is `exempt` may stand.
    fn in_text(&self, text: &[u8], exempt: Option<&str>) -> Option<&'static str> {
        let all = self.all().into_iter();
        let mut looked_for = all.filter(|(_, what)| exempt != Some(what));
        looked_for.find_map(|(needle, what)| needle.is_in(text).then_some(what))
    }

    fn all(&self) -> [(&Needle, &'static str); 4] {
        [
            (&self.plaintext, "plaintext"),
            (&self.key, "the asset's key"),
            (&self.account, ACCOUNT),
            (&self.token, TOKEN),
        ]
    }

    /// What of it stands in a file of the pod. A file that went, or that nobody may read (secret memory), shows nothing
    /// to anybody.
    fn in_file(&self, path: &Path) -> Option<&'static str> {
        let opened = File::options()
            .read(true)
            .custom_flags(nix::libc::O_NONBLOCK)
            .open(path);
        let all = self.all();
        let needles = all.map(|(needle, _)| needle);
        let found = Needle::first_in_file(&needles, &mut opened.ok()?).unwrap_or_default()?;
        all.get(found).map(|(_, what)| *what)
    }
}

/// Every place in which something secret stands.
async fn search(lab: &Lab, uid: &str, secrets: &Secrets) -> Result<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    let mut look = |place: String, text: &[u8], exempt: Option<&str>| {
        if let Some(what) = secrets.in_text(text, exempt) {
            found.insert(format!("{place}: {what}"));
        }
    };
    let ours = processes_of(uid)?;
    let kubectl = Kubectl::of(&lab.world);
    let listed = kubectl
        .run(&["get", KINDS, "--all-namespaces", "--output", "json"])
        .await?;
    let listed: Value = serde_json::from_str(&listed)?;
    let objects = listed["items"].as_array().context("a list")?;
    ensure!(objects.len() > 20, "{} objects alone were listed", objects.len());
    for object in objects {
        let (kind, meta) = (object["kind"].as_str().unwrap_or_default(), &object["metadata"]);
        let name = meta["name"].as_str().unwrap_or_default();
        let namespace = meta["namespace"].as_str().unwrap_or_default();
        look(
            format!("object {kind} {namespace}/{name}"),
            object.to_string().as_bytes(),
            (kind == "Secret").then_some(TOKEN),
        );
        let is_ours = namespace == NAMESPACE || namespace.starts_with("tb-");
        if kind == "Pod" && is_ours {
            let words = ["logs", "--all-containers", "--namespace", namespace, name];
            // A container that has not started yet has no log.
            let said = kubectl.said(&words).await?;
            look(format!("log of {namespace}/{name}"), said.stdout.as_bytes(), None);
        }
    }
    for process in fs::read_dir("/proc")?.flatten() {
        let pid = process.file_name().to_string_lossy().into_owned();
        if pid.bytes().all(|byte| byte.is_ascii_digit()) {
            for file in ["environ", "cmdline"] {
                // Processes end at any moment.
                if let Ok(text) = fs::read(process.path().join(file)) {
                    let is_outside = !ours.iter().any(|own| own.to_string() == pid);
                    look(
                        format!("{file} of process {pid}"),
                        &text,
                        is_outside.then_some(ACCOUNT),
                    );
                }
            }
        }
    }
    let files = in_files(secrets, uid)?;
    found.extend(files);
    Ok(found)
}

/// The files of each container of the pod, as it sees them, and those that its processes hold open.
fn in_files(secrets: &Secrets, uid: &str) -> Result<BTreeSet<String>> {
    let (mut found, mut views) = (BTreeSet::new(), BTreeSet::new());
    for pid in processes_of(uid)? {
        let process = PathBuf::from(format!("/proc/{pid}"));
        let root = process.join("root");
        if views.insert(fs::read_link(process.join("ns/mnt"))?) {
            let outside = |entry: &walkdir::DirEntry| {
                let inside = entry.path().strip_prefix(&root).unwrap_or(entry.path());
                !(inside.starts_with("proc") || inside.starts_with("sys"))
            };
            // What goes while it is looked at shows nothing to anybody.
            for entry in WalkDir::new(root.join(""))
                .into_iter()
                .filter_entry(outside)
                .flatten()
            {
                let is_file = entry.file_type().is_file();
                if let Some(what) = is_file.then(|| secrets.in_file(entry.path())).flatten() {
                    found.insert(format!("file {}: {what}", entry.path().display()));
                }
            }
        }
        for link in fs::read_dir(process.join("fd")).into_iter().flatten().flatten() {
            let is_file = fs::metadata(link.path()).is_ok_and(|data| data.is_file());
            if let Some(what) = is_file.then(|| secrets.in_file(&link.path())).flatten() {
                found.insert(format!("open file {}: {what}", link.path().display()));
            }
        }
    }
    ensure!(
        views.len() >= 2,
        "{} containers of the pod were searched",
        views.len()
    );
    Ok(found)
}

/// The canary in one place of each kind, and the keys in files of the pod's memory.
struct Planted {
    processes: [Child; 2],
    files: Vec<PathBuf>,
}

impl Planted {
    async fn plant(lab: &Lab, purchase: &Purchase, uid: &str, secrets: &Secrets) -> Result<Self> {
        let (hex, namespace) = (lab.canary.hex(), purchase.namespace());
        let kubectl = Kubectl::of(&lab.world);
        let event = json!({"apiVersion": "v1", "kind": "Event", "metadata": {"name": PLANT, "namespace": namespace},
            "involvedObject": {"kind": "Namespace", "name": namespace, "namespace": namespace}, "reason": "Planted", "type": "Normal",
            "message": hex});
        let restricted = json!({"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}});
        // A word that the program does not know is in what it prints of it.
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": PLANT, "namespace": namespace}, "spec": {
            "restartPolicy": "Never", "automountServiceAccountToken": false, "terminationGracePeriodSeconds": 0,
            "securityContext": {"runAsNonRoot": true, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [{"name": "c", "image": "localhost/trustbridge-double:dev", "imagePullPolicy": "IfNotPresent",
                "args": ["probe", hex], "securityContext": restricted}]}});
        // Records of an organisation cannot be taken away again.
        let record = json!({"apiVersion": "trustbridge.io/v1alpha1", "kind": "UsageRecord",
            "metadata": {"name": PLANT, "namespace": NOBODYS, "annotations": {"planted": hex}},
            "spec": {"tunePodRef": {"name": PLANT}, "tunePodUid": PLANT, "orderRef": {"name": PLANT}, "day": "2026-01-07"}});
        let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": PLANT, "namespace": namespace},
            "data": {"planted": secrets.token_text}});
        kubectl.apply(&map.to_string()).await?;
        kubectl.apply(&event.to_string()).await?;
        kubectl.apply(&record.to_string()).await?;
        kubectl.apply(&pod.to_string()).await?;
        wait::until_ok("the planted log", Duration::from_mins(1), async || {
            let log = kubectl.run(&["logs", "--namespace", &namespace, PLANT]).await?;
            ensure!(log.contains(&hex), "the planted pod has printed nothing yet");
            Ok(())
        })
        .await?;
        let pods = lab.world.layout().kubelet_root().join("pods");
        let memory = pods.join(uid).join("volumes/kubernetes.io~empty-dir/tb-model");
        let key = format!("key={}\n", secrets.key_text);
        let contents = [
            (PLANT, lab.canary.bytes()),
            (KEY_PLANT, key.as_bytes()),
            (ACCOUNT_PLANT, secrets.account_text.as_bytes()),
            (TOKEN_PLANT, secrets.token_text.as_bytes()),
        ];
        let mut files = Vec::new();
        for (name, bytes) in contents {
            let file = memory.join(name);
            fs::write(&file, bytes).with_context(|| file.display().to_string())?;
            files.push(file);
        }
        let process = |word: &str| {
            Command::new("sh")
                .args(["-c", "read -r _", word])
                .env("T2_PLANTED", word)
                .stdin(Stdio::piped())
                .spawn()
        };
        let processes = [process(&hex)?, process(&secrets.token_text)?];
        Ok(Self { processes, files })
    }

    async fn gone(mut self, lab: &Lab, purchase: &Purchase) -> Result<()> {
        for file in &self.files {
            fs::remove_file(file)?;
        }
        for process in &mut self.processes {
            process.kill()?;
            process.wait()?;
        }
        let namespace = purchase.namespace();
        for (kind, namespace) in [
            ("event", namespace.as_str()),
            ("pod", namespace.as_str()),
            ("configmap", namespace.as_str()),
            ("usagerecord", NOBODYS),
        ] {
            let words = [
                "delete",
                kind,
                PLANT,
                "--namespace",
                namespace,
                "--ignore-not-found",
            ];
            Kubectl::of(&lab.world).run(&words).await?;
        }
        Ok(())
    }
}

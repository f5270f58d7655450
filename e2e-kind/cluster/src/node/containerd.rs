//! containerd with folders and a socket of its own.

use std::fs;
use std::process::Command;

use anyhow::Result;

use super::cni;
use crate::command;
use crate::layout::Layout;
use crate::process::Daemon;

pub(super) fn prepare(layout: &Layout) -> Result<()> {
    fs::write(layout.config().join("containerd.toml"), render(layout))?;
    Ok(())
}

pub(super) fn daemon(layout: &Layout) -> Daemon {
    let arguments = [
        "--config".to_owned(),
        layout.config().join("containerd.toml").display().to_string(),
    ];
    let daemon = Daemon::on_node("containerd", layout.tool("containerd"), arguments);
    // The shim is looked for on the PATH.
    Daemon {
        path: Some(layout.bin()),
        ..daemon
    }
}

pub(super) fn answers(layout: &Layout) -> Result<()> {
    command::run(
        Command::new(layout.tool("ctr"))
            .arg("--address")
            .arg(layout.containerd_socket())
            .args(["--timeout", "5s", "version"]),
    )
}

fn render(layout: &Layout) -> String {
    let state = layout.state().display();
    let socket = layout.containerd_socket();
    format!(
        r#"version = 3
root = "{state}/containerd/root"
state = "{state}/containerd/state"
temp = "{state}/containerd/temp"

[grpc]
  address = "{socket}"

[plugins.'io.containerd.cri.v1.images'.pinned_images]
  sandbox = "localhost/trustbridge-pause:dev"

[plugins.'io.containerd.cri.v1.runtime']
  # Without CAP_SYS_RESOURCE a sandbox's OOM score cannot be lowered, and every sandbox would fail.
  restrict_oom_score_adj = true

[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
  [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
    Root = "{state}/runc"

[plugins.'io.containerd.cri.v1.runtime'.cni]
  bin_dirs = ["{bin}"]
  conf_dir = "{conf}"
"#,
        socket = socket.display(),
        bin = layout.cni_bin().display(),
        conf = cni::conf_dir(layout).display(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_lies_outside_the_state_folder() {
        let config = render(&Layout::new("/s", "/c").unwrap());
        assert!(config.contains("address = \"/s/run/containerd.sock\""));
        assert!(config.contains("sandbox = \"localhost/trustbridge-pause:dev\""));
        assert!(!config.contains("/var/lib") && !config.contains("/run/containerd/"));
    }
}

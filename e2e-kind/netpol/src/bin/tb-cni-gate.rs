//! A chained CNI plug-in: lets a pod start only when the rules with its address are loaded.
//!
//! Last in the chain, after the plug-in that gives the address:
//! `{"type": "tb-cni-gate", "socket": "<the --socket of tb-netpol>"}`.

use std::env;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::ExitCode;
use std::thread::sleep;
use std::time::{Duration, Instant};

use trustbridge_netpol::cni::{Call, Command, Environment, Failure, parse, version};
use trustbridge_netpol::protocol::{MAX_LINE, Reply, Request};

/// How long an ADD waits for the agent, also for one that is just starting.
const ADD_DEADLINE: Duration = Duration::from_secs(20);

/// How long the other commands wait.
const SHORT_DEADLINE: Duration = Duration::from_secs(2);

/// Pause before the agent is asked again.
const PAUSE: Duration = Duration::from_millis(100);

fn main() -> ExitCode {
    let mut config = String::new();
    let read = io::stdin().lock().read_to_string(&mut config);
    let variable = |name: &str| env::var(name).unwrap_or_default();
    let environment = Environment {
        command: variable("CNI_COMMAND"),
        container_id: variable("CNI_CONTAINERID"),
        args: variable("CNI_ARGS"),
    };
    // What could not be read is no JSON, and says so.
    let answer = read
        .map_or_else(|_| parse("", &environment), |_| parse(&config, &environment))
        .and_then(run);
    let (text, code) = match answer {
        Ok(text) => (text, ExitCode::SUCCESS),
        Err(failure) => (failure.to_json(&version(&config)), ExitCode::FAILURE),
    };
    match io::stdout().lock().write_all(text.as_bytes()) {
        Ok(()) => code,
        Err(_) => ExitCode::FAILURE,
    }
}

fn run(command: Command) -> Result<String, Failure> {
    match command {
        Command::Answer(text) => Ok(text),
        Command::Add(call, result) => {
            insist(&call, ADD_DEADLINE).map_err(|reason| Failure::not_loaded(&reason))?;
            Ok(result)
        }
        Command::Check(call) => {
            let asked = insist(&call, SHORT_DEADLINE);
            asked
                .map(|()| String::new())
                .map_err(|reason| Failure::check(&reason))
        }
        Command::Del(call) => {
            // An agent that is away learns of it from the API server.
            let _ = ask(&call.socket, &call.request, Instant::now() + SHORT_DEADLINE);
            Ok(String::new())
        }
        Command::Status(socket) => {
            let asked = ask(&socket, &Request::Ping, Instant::now() + SHORT_DEADLINE);
            asked
                .map(|()| String::new())
                .map_err(|reason| Failure::unavailable(&reason))
        }
    }
}

/// Asks until the agent says yes or the time is up; then with the last reason.
fn insist(call: &Call, deadline: Duration) -> Result<(), String> {
    let until = Instant::now() + deadline;
    loop {
        match ask(&call.socket, &call.request, until) {
            Ok(()) => return Ok(()),
            Err(reason) if Instant::now() + PAUSE >= until => {
                return Err(format!("{reason} (waited {} s)", deadline.as_secs()));
            }
            Err(_) => sleep(PAUSE),
        }
    }
}

/// Asks once.
fn ask(socket: &Path, request: &Request, until: Instant) -> Result<(), String> {
    let reply = exchange(socket, request, until).map_err(|error| {
        format!(
            "the agent tb-netpol does not answer at {}: {error}",
            socket.display()
        )
    })?;
    match reply {
        Reply::Ok => Ok(()),
        Reply::Failed { reason } => Err(reason),
    }
}

fn exchange(socket: &Path, request: &Request, until: Instant) -> io::Result<Reply> {
    let left = until.saturating_duration_since(Instant::now()).max(PAUSE);
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(left))?;
    stream.set_write_timeout(Some(left))?;
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    stream.write_all(&line)?;
    let mut reply = String::new();
    BufReader::new(stream).take(MAX_LINE).read_line(&mut reply)?;
    Ok(serde_json::from_str(&reply)?)
}

//! `skeys simulate`: serves the simulated cloud and prints its environment variables.

use std::io::Write;
use std::net::SocketAddr;

use anyhow::Context;
use tempfile::NamedTempFile;

use crate::cli::args::SceneOptions;
use crate::cli::output;
use crate::clock::Clock;
use crate::domain::shell::quote;
use crate::runtime::blocking::{FILE_LIMIT, run_blocking};
use crate::runtime::signals;
use crate::runtime::terminal::force_restore;
use crate::runtime::watchdog::Watchdog;
use crate::simulator::scene::Scene;
use crate::simulator::{Simulator, SimulatorOptions, serve};

/// Why it refuses to listen there, if so.
pub fn refusal(listen: SocketAddr, allow_remote: bool) -> Option<String> {
    let ip = listen.ip();
    if ip.is_unspecified() {
        Some(format!(
            "--listen needs one address of this machine, not {ip}: kubeconfigs contain it"
        ))
    } else if !ip.is_loopback() && !allow_remote {
        Some(format!("other machines can connect to {ip}; add --allow-remote to listen there"))
    } else {
        None
    }
}

/// Serves until a signal ends it; returns the exit status.
///
/// # Errors
/// The scene is invalid, or the address is in use.
pub async fn run(listen: SocketAddr, options: &SceneOptions) -> anyhow::Result<u8> {
    // Installed before the key file exists, so that a signal always removes it.
    let end = signals::wait_for_end();
    let _watchdog = Watchdog::start(force_restore).context("starting the watchdog")?;
    let clock = Clock::machine();
    let simulator = start(options, listen, &clock).await?;
    let key = simulator.service_account_key()?;
    let file = run_blocking(&clock, FILE_LIMIT, "the service-account key", || key_file(key))
        .await?
        .context("writing the service-account key")?;
    let path = file.path().display().to_string();
    let path =
        quote(&path).context("the folder for temporary files has a name that no shell takes")?;
    let mut out = std::io::stdout();
    let mut lines =
        simulator.exports().into_iter().chain([("STACKIT_SERVICE_ACCOUNT_KEY_PATH", path)]);
    let printed = lines.try_for_each(|(name, value)| writeln!(out, "export {name}={value}"));
    if let Err(error) = printed.and_then(|()| out.flush()) {
        return Ok(output::exit_status(Err(error), 1));
    }
    let number = end.await;
    drop((simulator, file));
    Ok(signals::exit_status(number))
}

/// A private file with the key, removed on drop.
fn key_file(key: String) -> std::io::Result<NamedTempFile> {
    let mut file =
        tempfile::Builder::new().prefix("skeys-simulator-key-").suffix(".json").tempfile()?;
    file.write_all(key.as_bytes())?;
    Ok(file)
}

/// Starts a simulator of this scene.
///
/// # Errors
/// The scene is invalid, or the address is in use.
pub async fn start(
    options: &SceneOptions,
    listen: SocketAddr,
    clock: &Clock,
) -> anyhow::Result<Simulator> {
    let scene = scene(options, clock).await?;
    let &SceneOptions { seed, speed, latency, loss, .. } = options;
    let options = SimulatorOptions { seed, speed, scene, listen };
    let simulator = serve(options, clock.clone()).await?;
    simulator.set_network(latency, loss);
    Ok(simulator)
}

/// The scene to play: a file, a generated one, or the built-in fleet.
///
/// # Errors
/// The file cannot be read or is invalid; the error names line and field.
async fn scene(options: &SceneOptions, clock: &Clock) -> anyhow::Result<Scene> {
    if let Some(clusters) = options.clusters {
        let projects = options.projects.unwrap_or(clusters.div_ceil(50));
        let count = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
        return Ok(Scene::generated(count(clusters), count(projects), options.seed));
    }
    let Some(path) = options.scene.clone() else {
        return Ok(Scene::fleet()?);
    };
    let name = path.display().to_string();
    let text = run_blocking(clock, FILE_LIMIT, &name, || std::fs::read_to_string(path))
        .await?
        .with_context(|| format!("reading the scene {name}"))?;
    Ok(Scene::parse(&text, &name)?)
}

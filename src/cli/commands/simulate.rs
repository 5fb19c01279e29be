//! `skeys simulate`: serves the simulated cloud and prints how to reach it.

use std::io::Write;
use std::net::SocketAddr;

use anyhow::Context;

use crate::cli::args::SceneOptions;
use crate::cli::output;
use crate::clock::Clock;
use crate::runtime::blocking::{FILE_LIMIT, run_blocking};
use crate::runtime::signals;
use crate::runtime::terminal::force_restore;
use crate::runtime::watchdog::Watchdog;
use crate::simulator::scene::Scene;
use crate::simulator::{SimulatorOptions, serve};

/// Serves until a signal ends it; gives the exit status.
///
/// # Errors
/// The scene is invalid, or the address is in use.
pub async fn run(listen: SocketAddr, options: &SceneOptions) -> anyhow::Result<u8> {
    let clock = Clock::machine();
    let scene = scene(options, &clock).await?;
    let &SceneOptions { seed, speed, .. } = options;
    let options = SimulatorOptions { seed, speed, scene, listen };
    let simulator = serve(options, clock).await?;
    let mut out = std::io::stdout();
    let mut lines = simulator.exports().into_iter();
    let printed = lines.try_for_each(|(name, value)| writeln!(out, "export {name}={value}"));
    if let Err(error) = printed.and_then(|()| out.flush()) {
        return Ok(output::exit_status(Err(error), 1));
    }
    let _watchdog = Watchdog::start(force_restore).context("starting the watchdog")?;
    let number = signals::wait_for_end().await;
    drop(simulator);
    Ok(signals::exit_status(number))
}

/// The scene to play: a file, or the built-in fleet.
///
/// # Errors
/// The file cannot be read or is invalid; the error names line and field.
pub async fn scene(options: &SceneOptions, clock: &Clock) -> anyhow::Result<Scene> {
    let Some(path) = options.scene.clone() else {
        return Ok(Scene::fleet()?);
    };
    let name = path.display().to_string();
    let text = run_blocking(clock, FILE_LIMIT, &name, || std::fs::read_to_string(path))
        .await?
        .with_context(|| format!("reading the scene {name}"))?;
    Ok(Scene::parse(&text, &name)?)
}

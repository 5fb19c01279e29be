//! `skeys simulate`: serves the simulated cloud and prints how to reach it.

use std::io::Write;
use std::net::SocketAddr;

use anyhow::Context;

use crate::cli::args::SceneOptions;
use crate::clock::Clock;
use crate::runtime::signals;
use crate::simulator::scene::Scene;
use crate::simulator::{SimulatorOptions, serve};

/// Serves until TERM, INT or HUP.
///
/// # Errors
/// The scene is wrong, the address is taken, or nobody reads what is printed.
pub async fn run(listen: SocketAddr, world: &SceneOptions) -> anyhow::Result<()> {
    let options =
        SimulatorOptions { seed: world.seed, speed: world.speed, scene: scene(world)?, listen };
    let simulator = serve(options, Clock::machine()).await?;
    let mut out = std::io::stdout();
    for (name, value) in simulator.exports() {
        writeln!(out, "export {name}={value}").context("printing the addresses")?;
    }
    out.flush().context("printing the addresses")?;
    let _number = signals::ended().await;
    drop(simulator);
    Ok(())
}

/// The scene to play: a file, or the built-in fleet.
///
/// # Errors
/// The file cannot be read, or is wrong; line and field are named.
pub fn scene(world: &SceneOptions) -> anyhow::Result<Scene> {
    let Some(path) = &world.scene else {
        return Ok(Scene::fleet()?);
    };
    let name = path.display().to_string();
    let text =
        std::fs::read_to_string(path).with_context(|| format!("reading the scene {name}"))?;
    Ok(Scene::parse(&text, &name)?)
}

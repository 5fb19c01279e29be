//! Switching profiles in the same terminal.

use rustix::process::Signal;
use skeys::testing::simulator::scene::Scene;

use crate::support::{Cloud, SKEYS, Terminal};

const NIGHT: &str = "regions = [\"eu01\"]\n[[projects]]\nid = \"11111111-7a1e-4c52-9d5e-5f1c3d9a2b7f\"\nname = \"dark\"\n\
    [[projects.clusters]]\nname = \"owl\"\ninitiated_ago = \"9d\"\ncompleted_ago = \"8d\"\n";

fn section(prefix: &str, cloud: &Cloud, home: &std::path::Path) -> String {
    let of = |name| cloud.exports.iter().find(|(key, _)| *key == name).unwrap().1.clone();
    let file = home.join(format!("{prefix}token"));
    std::fs::write(&file, of("STACKIT_ACCESS_TOKEN")).unwrap();
    let base = of("STACKIT_SKE_CUSTOM_ENDPOINT");
    format!(
        "[{prefix}auth]\ntoken_file = \"{}\"\n[{prefix}endpoints]\nske = \"{base}\"\n\
         resource_manager = \"{base}\"\nauthorization = \"{base}\"\n",
        file.display()
    )
}

/// The dashboard with a configuration of two profiles.
fn dashboard(day: &Cloud, night: &Cloud) -> Terminal {
    let home = tempfile::tempdir().unwrap();
    let sections = section("", day, home.path()) + &section("profiles.night.", night, home.path());
    let file = home.path().join("skeys.toml");
    std::fs::write(&file, format!("{sections}[profiles.night.display]\nmouse = true\n")).unwrap();
    let environment = [("SKEYS_CONFIG", file.to_str().unwrap()), ("SKEYS_NOTIFY_DESKTOP", "false")];
    Terminal::run_in(home, &[SKEYS], 100, 30, &environment)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_profile_goes_on_in_the_same_terminal_with_keys_sizes_and_signals() {
    let day = Cloud::begin().await;
    let night = Cloud::of(Scene::parse(NIGHT, "night.toml").unwrap()).await;
    for ends_by_signal in [false, true] {
        let mut terminal = dashboard(&day, &night);
        terminal.until("delta");
        // Keys typed during the switch are not lost.
        terminal.send(b"Pnight\r");
        terminal.until("profile night");
        terminal.until("owl");
        terminal.wait_for("no delta", |screen| !screen.contents().contains("delta"));
        terminal.wait_for("the mouse of the profile", |screen| {
            screen.mouse_protocol_mode() != vt100::MouseProtocolMode::None
        });
        terminal.resize(80, 20);
        terminal.send(b"?");
        terminal.until("A rotation in four steps");
        terminal.send(b"q");
        terminal.wait_for("the help to close", |screen| !screen.contents().contains("four steps"));
        // Back, without mouse support.
        terminal.send(b":profile none\r");
        terminal.until("delta");
        terminal.wait_for("no mouse", |screen| {
            screen.mouse_protocol_mode() == vt100::MouseProtocolMode::None
        });
        if ends_by_signal {
            terminal.signal(Signal::TERM);
        } else {
            terminal.send(b"q");
        }
        assert_eq!(terminal.end_restored(), if ends_by_signal { 128 + 15 } else { 0 });
        let bytes = String::from_utf8_lossy(&terminal.bytes()).into_owned();
        assert_eq!(bytes.matches("\u{1b}[?1049h").count(), 1, "one screen for all");
    }
}

//! The `stackit` CLI next to the dashboard: it never prompts on the screen, and gets the terminal to log in.

use std::time::{Duration, Instant};

use crate::support::{Cloud, SKEYS, Terminal, stand_in};

/// The dashboard with only the stand-in as a token source.
fn dashboard(cloud: &Cloud, script: &str) -> Terminal {
    let home = tempfile::tempdir().unwrap();
    stand_in(home.path(), script);
    let token =
        cloud.environment(&[]).into_iter().find(|(name, _)| *name == "STACKIT_ACCESS_TOKEN");
    std::fs::write(home.path().join("issued"), token.unwrap().1).unwrap();
    let path = format!("{}:/usr/bin:/bin", home.path().display());
    let mut environment = cloud.environment(&[("PATH", &path)]);
    environment.retain(|(name, _)| *name != "STACKIT_ACCESS_TOKEN");
    Terminal::run_in(home, &[SKEYS], 100, 30, &environment)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn auth_09_a_question_of_the_cli_is_never_on_the_screen() {
    let cloud = Cloud::begin().await;
    let script =
        "printf 'Passphrase? ' > /dev/tty; read -r answer < /dev/tty; echo \"no$answer token\"";
    let mut terminal = dashboard(&cloud, script);
    terminal.until("printed no token (9 bytes)");
    terminal.send(b"?");
    terminal.until("A rotation in four steps");
    terminal.send(b"q");
    terminal.wait_for("the help to close", |screen| !screen.contents().contains("four steps"));
    terminal.send(b"q");
    assert_eq!(terminal.end_restored(), 0);
    let bytes = String::from_utf8_lossy(&terminal.bytes()).into_owned();
    assert!(!bytes.contains("Passphrase"), "{bytes}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn auth_09_a_login_that_is_over_is_renewed_in_the_terminal() {
    let cloud = Cloud::begin().await;
    let script = "case \"$*\" in\n\
        'auth get-access-token') [ -f $HOME/token ] && exec cat $HOME/token\n\
          echo 'Error: Session is expired. Please log in again first.' >&2; exit 1;;\n\
        'auth login') printf 'Continue in the browser? '; read -r answer\n\
          [ \"$answer\" = qqq ] && cp $HOME/issued $HOME/token;;\n\
        esac";
    let mut terminal = dashboard(&cloud, script);
    terminal.until("failed: Session is expired.");
    terminal.until("Press I to log in with the stackit CLI");
    // Ctrl-C ends only the CLI; so does Ctrl-Z, since nobody could resume it.
    for end in [b"\x03", b"\x1a"] {
        terminal.send(b"I");
        terminal.wait_for("the main screen", |screen| {
            !screen.alternate_screen() && screen.contents().contains("Continue in the browser?")
        });
        // The previous question is still on the screen.
        let patience = Instant::now() + Duration::from_secs(20);
        while terminal.foreground() == terminal.id() {
            assert!(Instant::now() < patience, "{}", terminal.screen());
            std::thread::sleep(Duration::from_millis(5));
        }
        terminal.send(end);
        terminal.until("`stackit auth login` was ended by a signal");
        assert_eq!(terminal.foreground(), terminal.id());
        terminal.send(b"\x1b");
        terminal.wait_for("no error", |screen| !screen.contents().contains("by a signal"));
    }
    terminal.send(b"I");
    terminal.wait_for("the main screen", |screen| {
        !screen.alternate_screen() && screen.contents().contains("Continue in the browser?")
    });
    // None of these keys reaches the dashboard: it would quit.
    terminal.send(b"qqq\r");
    terminal.until("delta");
    terminal.wait_for("the end of signed out", |screen| {
        !screen.contents().to_lowercase().contains("signed out")
    });
    terminal.send(b"q");
    assert_eq!(terminal.end_restored(), 0);
}

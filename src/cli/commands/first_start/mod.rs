//! The first start, without a token source: what is missing, what to do, and the guided set-up and the demo one key
//! away. Printed rather than drawn, so that commands can be copied and stay visible after the exit.

pub mod text;

use std::io;
use std::path::Path;

use crate::cli::output;
use crate::clients::auth::{SOURCES, SourceKind};
use crate::domain::misplaced_secret;
use crate::runtime::signals;
use crate::runtime::single_key::wait_for;
use crate::runtime::user_input::UserInput;

/// Outcome of the first start.
pub enum FirstStart {
    Demo,
    GuidedSetup,
    /// With this exit status.
    Ended(u8),
}

/// Prints what is missing and waits for a key. `file`: the configuration file, and whether it exists.
pub async fn show(projects: usize, file: Option<(&Path, bool)>) -> io::Result<FirstStart> {
    let printed = output::print(&describe(projects, file), "", 1);
    if printed != 1 {
        return Ok(FirstStart::Ended(printed));
    }
    Ok(match wait_for("sSdDqQ").await? {
        UserInput::Given('s' | 'S') => FirstStart::GuidedSetup,
        UserInput::Given('d' | 'D') => FirstStart::Demo,
        UserInput::Given(_) | UserInput::Cancelled => FirstStart::Ended(1),
        UserInput::Signal(number) => FirstStart::Ended(signals::exit_status(number)),
    })
}

/// What is missing, and what to do.
fn describe(projects: usize, file: Option<(&Path, bool)>) -> String {
    let project = match projects {
        0 => text::PROJECT_MISSING.to_owned(),
        count => text::projects(count),
    };
    let file = match file {
        None => text::NO_FILE.to_owned(),
        Some((path, true)) => text::file_there(misplaced_secret::show(path.display())),
        Some((path, false)) => text::file_missing(misplaced_secret::show(path.display())),
    };
    let owned = |lines: [&str; 2]| lines.map(str::to_owned).to_vec();
    let parts = [
        (text::NOTHING, vec![text::TOKEN_MISSING.to_owned(), project, file]),
        (text::TRY_ONCE, owned([text::TRY_TOKEN, text::TRY_PROJECT])),
        (text::KEEP, owned([text::KEEP_INIT, text::KEEP_CHECK])),
        (text::WAYS, SOURCES.iter().map(SourceKind::describe_settings).collect()),
    ];
    let mut out = String::new();
    for (title, lines) in parts {
        out.push_str(&format!("{title}\n"));
        for line in lines {
            out.push_str(&format!("  {line}\n"));
        }
        out.push('\n');
    }
    format!("{out}{}\n{}\n", text::SETUP, text::DEMO)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    #[test]
    fn auth_17_a_secret_in_the_place_of_the_file_is_not_shown() {
        let file = Path::new("{\"credentials\": \"canary\"}");
        for is_there in [false, true] {
            let text = describe(0, Some((file, is_there)));
            assert!(text.contains("(a value that looks like a key or token)"), "{text}");
            assert!(!text.contains("canary"), "{text}");
        }
    }

    use crate::cli::commands::first_start::{describe, text};

    #[test]
    fn what_is_missing_and_what_to_do_is_said() {
        let file = Path::new("/home/ops/.config/skeys/config.toml");
        let nothing = describe(0, Some((file, false)));
        let some = describe(2, Some((file, true)));
        let texts = text::ALL
            .iter()
            .fold(String::new(), |all, (name, text)| all + name + ": " + text + "\n");
        let mut settings = insta::Settings::clone_current();
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        settings.bind(|| {
            insta::assert_snapshot!("nothing", nothing);
            insta::assert_snapshot!("some", some);
            insta::assert_snapshot!("texts", texts);
        });
    }
}

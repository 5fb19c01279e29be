//! Checks documents that repeat facts from the code: the keys in the README.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails says so by panicking")]

use std::fmt::Write as _;
use std::path::Path;

use skeys::testing::app::keymap::{BINDINGS, Binding, KeyContext, Keymap};

const BEGIN: &str = "<!-- keys: made from the keymap, checked by tests/documents.rs -->\n";
const END: &str = "<!-- end of keys -->";

/// The contexts of a binding, in words.
fn place(binding: &Binding) -> String {
    let all =
        |wanted: &[KeyContext]| wanted.iter().all(|context| binding.contexts.contains(context));
    if all(&KeyContext::ALL) {
        "everywhere".to_owned()
    } else if all(&[KeyContext::Fleet, KeyContext::Cluster, KeyContext::Activity]) {
        "every screen".to_owned()
    } else {
        binding.contexts.iter().map(|context| context.title()).collect::<Vec<_>>().join(", ")
    }
}

fn table() -> String {
    let keymap = Keymap::default();
    let mut groups: Vec<(String, Vec<String>)> = Vec::new();
    for binding in BINDINGS {
        let keys: Vec<String> =
            keymap.labels(binding).split(' ').map(|key| format!("`{key}`")).collect();
        let row = format!("{} | {} | `{}` |", keys.join(" "), binding.help, binding.id);
        let place = place(binding);
        match groups.iter_mut().find(|(known, _)| *known == place) {
            Some((_, rows)) => rows.push(row),
            None => groups.push((place, vec![row])),
        }
    }
    let mut text =
        String::from("| where | keys | what | id in `[keys]` |\n| --- | --- | --- | --- |\n");
    for (place, rows) in groups {
        for (number, row) in rows.iter().enumerate() {
            let place = if number == 0 { place.as_str() } else { "" };
            writeln!(text, "| {place} | {row}").unwrap();
        }
    }
    text
}

#[test]
fn the_readme_lists_the_keys_of_the_keymap() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let text = std::fs::read_to_string(&file).unwrap();
    let (before, rest) = text.split_once(BEGIN).unwrap();
    let (listed, after) = rest.split_once(END).unwrap();
    if listed == table() {
        return;
    }
    if std::env::var_os("SKEYS_WRITE_KEYS").is_some() {
        std::fs::write(&file, format!("{before}{BEGIN}{}{END}{after}", table())).unwrap();
        return;
    }
    panic!(
        "the keys in README.md are old; write them anew: SKEYS_WRITE_KEYS=1 cargo test --test documents"
    );
}

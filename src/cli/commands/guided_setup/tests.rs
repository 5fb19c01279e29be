//! The written configuration has the values that were answered.

use std::path::Path;

use proptest::prelude::*;

use crate::cli::args::Flags;
use crate::cli::commands::guided_setup::answers::{
    Answers, absolute, parse_choice, parse_projects, parse_regions,
};
use crate::cli::commands::guided_setup::text;
use crate::cli::config::keys::keys;
use crate::cli::config::{ConfigSources, EXAMPLE, load, load_with};
use crate::domain::cluster::ProjectId;
use crate::property_cases;

const SHOP: &str = "5f1c3d9a-7a1e-4c52-9d5e-2b7f6a1c0e21";
const BANK: &str = "0b9f3f0e-1111-4c52-9d5e-2b7f6a1c0e22";

/// One-line texts with characters that TOML, shells and terminals treat specially.
fn any_text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "[a-z0-9/._ -]{1,6}",
        r#"["'\\#=\[\]~$]{1,3}"#,
        "[äß日本🦀\u{301}\u{202e}]{1,2}",
        "[\u{0}-\u{9}\u{b}\u{c}\u{e}-\u{1f}\u{7f}-\u{9f}]{1,2}",
    ];
    prop::collection::vec(piece, 1..8).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(property_cases(256))]

    #[test]
    fn any_answers_give_a_file_that_has_them(
        paths in prop::collection::vec(any_text(), 4),
        projects in prop::collection::vec("[a-z0-9-]{1,36}", 0..4),
        regions in prop::collection::vec("[a-z0-9-]{1,8}", 0..3),
        which in 0_u8..64,
    ) {
        let of_paths = [
            "auth.token_file", "auth.service_account_key", "auth.private_key", "auth.federated_token_file",
        ];
        let texts: Vec<_> = of_paths.into_iter().zip(&paths).enumerate()
            .filter(|(bit, _)| which & (1 << bit) != 0).map(|(_, pair)| pair).collect();
        let mut answers = Answers::default();
        for (key, path) in &texts {
            answers = answers.text(key, path);
        }
        let lists = [("projects", &projects, 16), ("regions", &regions, 32)];
        for (key, list, bit) in lists {
            if which & bit != 0 {
                answers = answers.list(key, list);
            }
        }
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.toml");
        let sources = ConfigSources { environment: &|_| None, default_file: Some(file.clone()), home: None };
        let before = load_with(&Flags::default(), &sources, &answers.lines()).unwrap().config;
        std::fs::write(&file, answers.file()).unwrap();
        let written = load(&Flags::default(), &sources).unwrap().config;
        for config in [&before, &written] {
            for (key, path) in &texts {
                prop_assert_eq!(config.text(key), path.as_str());
            }
            for (key, list, bit) in lists {
                if which & bit != 0 {
                    prop_assert_eq!(config.list(key), list.as_slice());
                }
            }
            prop_assert!(answers.hold_in(config));
        }
        // Nothing else is set.
        let all = texts.len() + lists.iter().filter(|(.., bit)| which & bit != 0).count();
        prop_assert_eq!(keys().filter(|key| written.set_by(key.path).is_some()).count(), all);
    }
}

#[test]
fn the_file_is_the_example_with_values_in_their_places() {
    assert_eq!(Answers::default().file(), EXAMPLE);
    assert_eq!(Answers::default().lines(), "");
    let answers = Answers::default()
        .text("auth.service_account_key", "~/my \"own\" key.json")
        .list("projects", &[SHOP.to_owned()]);
    let lines = "projects = [\"5f1c3d9a-7a1e-4c52-9d5e-2b7f6a1c0e21\"]\n\
                 [auth]\nservice_account_key = '~/my \"own\" key.json'\n";
    assert_eq!(answers.lines(), lines);
    let file = answers.file();
    assert_eq!(file.lines().count(), EXAMPLE.lines().count());
    let changed = file.lines().zip(EXAMPLE.lines()).filter(|(new, old)| new != old).count();
    assert_eq!(changed, 3);
}

#[test]
fn a_choice_is_a_number_of_the_list() {
    assert_eq!(parse_choice("", Some(2), 4), Ok(2));
    assert_eq!(parse_choice("4", Some(2), 4), Ok(4));
    for wrong in ["0", "5", "-1", "x", "1 2", ""] {
        let problem = parse_choice(wrong, None, 4).unwrap_err();
        assert_eq!(problem, text::not_a_number(wrong, 4));
    }
}

#[test]
fn projects_are_numbers_or_ids_each_once() {
    let found = [SHOP, BANK].map(ProjectId::new);
    let both = Ok(vec![BANK.to_owned(), SHOP.to_owned()]);
    assert_eq!(parse_projects("2, 1,2", &found), both);
    assert_eq!(parse_projects(&format!("2 {}", SHOP.to_uppercase()), &found), both);
    assert_eq!(parse_projects("", &found), Ok(Vec::new()));
    for wrong in ["3", "0", "shop", "1,shop"] {
        let word = wrong.trim_start_matches("1,");
        assert_eq!(parse_projects(wrong, &found), Err(text::not_a_project(word)));
    }
    assert_eq!(parse_projects("1", &[]), Err(text::not_a_project_id(1)));
}

#[test]
fn regions_are_names() {
    assert_eq!(parse_regions("eu02 ,eu01 eu02"), Ok(vec!["eu02".to_owned(), "eu01".to_owned()]));
    for wrong in ["1", "EU01", "eu", "eu01/x", "\u{1b}[2Jeu01"] {
        assert!(parse_regions(wrong).unwrap_err().ends_with("such as eu01."), "{wrong}");
    }
}

#[test]
fn a_path_does_not_depend_on_the_folder_of_the_next_start() {
    let folder = Path::new("/work here");
    for (typed, expected) in [
        ("key.json", "/work here/key.json"),
        ("~/a b", "~/a b"),
        ("/k", "/k"),
        ("~x", "/work here/~x"),
    ] {
        assert_eq!(absolute(typed, folder), expected);
    }
}

#[test]
fn texts() {
    let texts =
        text::ALL.iter().fold(String::new(), |all, (name, text)| all + name + ": " + text + "\n");
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!("texts", texts));
}

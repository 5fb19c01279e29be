//! A file that holds a token and may be replaced at any time.

use std::fs;
use std::path::PathBuf;

use crate::clients::auth::secret_file::{read_file, warn_if_open_to_others};
use crate::clients::auth::source::{
    AuthSettings, Setting, Source, SourceConfig, SourceFacts, SourceKind,
};
use crate::clients::auth::{access_token, claims};
use crate::domain::misplaced_secret::show;

const NAME: &str = "token file";
/// Path of the file.
pub const FILE: Setting = Setting {
    flag: Some("token-file"),
    content: Some(access_token::VARIABLE),
    ..Setting::path(
        "auth.token_file",
        &["SKEYS_AUTH_TOKEN_FILE"],
        "File with an access token; reread when it changes",
    )
};

/// See the module.
pub const KIND: SourceKind =
    SourceKind { name: NAME, variables: &[], settings: &[FILE], places: &[], find };

fn find(set: &AuthSettings<'_>) -> Option<SourceConfig> {
    (set.path)(FILE.key).map(|(path, _)| source(path))
}

/// A source for the token in a file.
pub fn source(path: PathBuf) -> SourceConfig {
    let shown = show(path.display());
    SourceConfig::new(format!("the token in {shown}"), move |_| {
        let (path, origin) = (path.clone(), shown.clone());
        let notes = warn_if_open_to_others(&path).into_iter().collect();
        // A FIFO, as from `<(command)`, can be read only once.
        let is_stream = fs::metadata(&path).is_ok_and(|data| !data.is_file());
        let read = move || claims::check_token(read_file(&path)?.expose(), &origin);
        let source = if is_stream {
            Source::given(NAME, read()?, &shown)
        } else {
            Source::read(NAME, read, &shown)
        };
        Ok(Source { about: SourceFacts { notes, ..SourceFacts::default() }, ..source })
    })
}

//! The one table of configuration keys: path, environment names, kind, default, help. Reading, checking, the example
//! file and `config check` all use it. Token sources add their own keys.

use std::time::Duration;

use crate::app::fleet::columns::COLUMN_IDS;
use crate::app::kubeconfig::destination::Destination;
use crate::app::settings::ThemeChoice;
use crate::clients::auth::{SOURCES, SettingKind};
use crate::domain::age::format_duration;
use crate::domain::age_policy::AGE_RANGE;
use crate::domain::misplaced_secret::SHOWN;
use crate::domain::text::distance_within;

/// What a value may be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ValueKind {
    /// `true` or `false`.
    Switch,
    /// A duration in humantime format, with its minimum and maximum.
    Duration(Duration, Duration),
    /// An integer, with its minimum and maximum.
    Number(i64, i64),
    /// One of these words.
    Word(&'static [&'static str]),
    Text,
    /// A URL that may receive a token.
    Address,
    /// The same, or nothing.
    OptionalAddress,
    /// Path of a file or folder; `~` is the home folder.
    Path,
    /// Folder whose path starts with / or ~/, so that it does not depend on the working directory.
    Folder,
    /// A list of texts.
    List,
    /// A list of these words.
    Words(&'static [&'static str]),
    /// A list of IDs, each usable as a path segment of a URL.
    Ids,
    /// A list of files; the last segment may be a pattern.
    Files,
    /// A list of rules, each a pattern and an age.
    AgeRules,
    /// A kubeconfig lifetime, 1h to 180d.
    Lifetime,
    /// A table of lists: command to keys.
    Keys,
    /// A table of colours: role to colour.
    Colors,
}

/// One key.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// Path in the file ("poll.idle").
    pub path: &'static str,
    /// Environment variables; the first that is set wins.
    pub environment: &'static [&'static str],
    pub kind: ValueKind,
    pub default: &'static str,
    /// One line of help.
    pub help: &'static str,
}

/// Words of `log.level`.
pub const LOG_LEVELS: [&str; 5] = ["error", "warn", "info", "debug", "trace"];

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// A duration within a range in seconds.
const fn seconds(least: u64, most: u64) -> ValueKind {
    ValueKind::Duration(Duration::from_secs(least), Duration::from_secs(most))
}

use ValueKind::{
    Address, AgeRules, Colors, Files, Folder, Ids, Keys, Lifetime, List, Number, OptionalAddress,
    Path, Switch, Text, Word, Words,
};

/// One key per entry: path, environment variables, kind, default in TOML; then its help.
macro_rules! table {
    ($($path:literal, $environment:expr, $kind:expr, $default:literal, $help:literal;)+) => {
        &[$(Key { path: $path, environment: &$environment, kind: $kind, default: $default, help: $help }),+]
    };
}

/// Every key of the configuration except those of the token sources.
const KEYS: &[Key] = table! {
    "projects", ["SKEYS_PROJECTS", "STACKIT_PROJECT_ID"], Ids, "[]",
        "IDs of the projects to list; empty: all in which the account may list clusters";
    "regions", ["SKEYS_REGIONS", "STACKIT_REGION"], Ids, "[\"eu01\", \"eu02\"]", "Regions to list in each project";
    "stackit_profile", ["SKEYS_STACKIT_PROFILE", "STACKIT_CLI_PROFILE"], Text, "\"\"",
        "Profile of the stackit CLI to sign in with and to read; empty: the active one";
    "protected", ["SKEYS_PROTECTED"], List, "[]",
        "Glob patterns of cluster names; starting their rotation requires typing the name";
    "read_only", ["SKEYS_READ_ONLY"], Switch, "false", "Send only reads; save no kubeconfig";
    "overdue_after", ["SKEYS_OVERDUE_AFTER"], ValueKind::Duration(AGE_RANGE.0, AGE_RANGE.1), "\"180d\"",
        "Credentials older than this are overdue";
    "overdue_rules", ["SKEYS_OVERDUE_RULES"], AgeRules, "[]",
        "Ages that override overdue_after, as PATTERN=DURATION; the pattern is a glob for NAME or PROJECT/REGION/NAME, or label:KEY=VALUE";
    "poll.idle", ["SKEYS_POLL_IDLE"], seconds(10, HOUR), "\"30s\"", "Poll interval while no rotation runs";
    "poll.running", ["SKEYS_POLL_RUNNING"], seconds(1, 5 * MINUTE), "\"3s\"",
        "Poll interval of the open cluster while a step runs";
    "poll.concurrency", ["SKEYS_POLL_CONCURRENCY"], Number(1, 32), "6", "Concurrent reads";
    "kubernetes.watch", ["SKEYS_KUBERNETES_WATCH"], Word(&["running", "open", "never"]), "\"running\"",
        "Which clusters are observed through their own API: those whose nodes are being replaced, only the open one, or none";
    "kubernetes.limit", ["SKEYS_KUBERNETES_LIMIT"], Number(1, 32), "6", "Clusters observed concurrently";
    "notify.desktop", ["SKEYS_NOTIFY_DESKTOP"], Switch, "true", "Desktop notifications for watched clusters";
    "kubeconfig.lifetime", ["SKEYS_KUBECONFIG_LIFETIME"], Lifetime, "\"8h\"", "Default lifetime in the form";
    "kubeconfig.destination", ["SKEYS_KUBECONFIG_DESTINATION"], Word(&Destination::WORDS), "\"merge\"",
        "Default destination in the form";
    "kubeconfig.folder", ["SKEYS_KUBECONFIG_FOLDER"], Folder, "\"~/.kube/ske\"", "Folder for separate kubeconfig files";
    "kubeconfig.search", ["SKEYS_KUBECONFIG_SEARCH"], Files, "[]",
        "More kubeconfig files to look for credentials in; the file name may have * and ?";
    "kubeconfig.warn_before", ["SKEYS_KUBECONFIG_WARN_BEFORE"], seconds(0, 180 * DAY), "\"7d\"",
        "A kubeconfig is due in `skeys due` this long before it expires";
    "kubeconfig.make_current", ["SKEYS_KUBECONFIG_MAKE_CURRENT"], Switch, "false",
        "Preselect \"make it the current context\"";
    "kubeconfig.clipboard_clear", ["SKEYS_KUBECONFIG_CLIPBOARD_CLEAR"], seconds(5, 10 * MINUTE), "\"45s\"",
        "Time until a kubeconfig is cleared from the clipboard";
    "display.theme", ["SKEYS_DISPLAY_THEME"], Word(&ThemeChoice::WORDS), "\"auto\"", "Colour theme";
    "display.ascii", ["SKEYS_DISPLAY_ASCII"], Word(&["auto", "always", "never"]), "\"auto\"",
        "Draw with ASCII only; auto depends on the locale";
    "display.utc", ["SKEYS_DISPLAY_UTC"], Switch, "false", "Show times in UTC";
    "display.mouse", ["SKEYS_DISPLAY_MOUSE"], Switch, "false", "Enable the mouse";
    "display.columns", ["SKEYS_DISPLAY_COLUMNS"], Words(&COLUMN_IDS), "[]",
        "Columns of the fleet by ID; empty: all that fit";
    "display.sort", ["SKEYS_DISPLAY_SORT"], Word(&COLUMN_IDS), "\"attention\"", "Sort order of the fleet";
    "display.colors", [], Colors, "{}",
        "Colours by meaning, instead of the theme's; mono and NO_COLOR use none";
    "endpoints.ske", ["SKEYS_ENDPOINTS_SKE", "STACKIT_SKE_CUSTOM_ENDPOINT"], Address, "\"https://ske.api.stackit.cloud\"",
        "URL of the SKE API";
    "endpoints.token", ["SKEYS_ENDPOINTS_TOKEN", "STACKIT_TOKEN_BASEURL", "STACKIT_TOKEN_CUSTOM_ENDPOINT"], OptionalAddress, "\"\"",
        "URL of the token endpoint; empty: the one in the key, or STACKIT's";
    "endpoints.resource_manager", ["SKEYS_ENDPOINTS_RESOURCE_MANAGER", "STACKIT_RESOURCE_MANAGER_CUSTOM_ENDPOINT"], Address,
        "\"https://resource-manager.api.stackit.cloud\"", "URL of the resource manager API, for project names";
    "endpoints.authorization", ["SKEYS_ENDPOINTS_AUTHORIZATION", "STACKIT_AUTHORIZATION_CUSTOM_ENDPOINT"], Address,
        "\"https://authorization.api.stackit.cloud\"",
        "URL of the authorization API, for permissions and, if no projects are set, for projects";
    "endpoints.ca_file", ["SKEYS_ENDPOINTS_CA_FILE"], Path, "\"\"",
        "Certificate authority (PEM) in addition to the system's";
    "log.file", ["SKEYS_LOG_FILE"], Path, "\"\"", "File of the diagnostic log, which contains no secrets; empty: none";
    "log.level", ["SKEYS_LOG_LEVEL"], Word(&LOG_LEVELS), "\"info\"", "Log level";
    "keys", [], Keys, "{}", "Keys for commands, instead of the defaults";
};

/// Keys, and sections ending in a dot, that a running dashboard does not change: who signs in where, what is listed,
/// and what is opened once.
const AT_START: [&str; 8] = [
    "projects",
    "regions",
    "stackit_profile",
    "poll.concurrency",
    "notify.desktop",
    "auth.",
    "endpoints.",
    "log.",
];

/// Whether a changed value applies to a running dashboard.
pub fn is_live(path: &str) -> bool {
    !AT_START.iter().any(|key| path == *key || key.ends_with('.') && path.starts_with(key))
}

/// Every key of the configuration.
pub fn keys() -> impl Iterator<Item = Key> {
    let of_sources = SOURCES.iter().flat_map(|kind| kind.settings).map(|setting| Key {
        path: setting.key,
        environment: setting.environment,
        kind: match setting.kind {
            SettingKind::Path => Path,
            SettingKind::Text => Text,
            SettingKind::Address => Address,
            SettingKind::Switch => Switch,
        },
        default: setting.default,
        help: setting.help,
    });
    KEYS.iter().copied().chain(of_sources)
}

/// The key with this path.
pub fn find(path: &str) -> Option<Key> {
    keys().find(|key| key.path == path)
}

/// Why a value that looks like a key or token is rejected; shows no part of it.
pub fn misplaced(key: &Key) -> String {
    let mut settings = SOURCES.iter().flat_map(|kind| kind.settings);
    let content = settings.find(|setting| setting.key == key.path).and_then(|one| one.content);
    let remedy = match content {
        Some(variable) => format!("set {variable} to the content of the file"),
        None => format!(
            "set keys and tokens in {}",
            SOURCES.iter().flat_map(|kind| kind.variables).copied().collect::<Vec<_>>().join(", ")
        ),
    };
    format!("{} is {SHOWN}; expected {}; {remedy}", key.path, key.kind.describe())
}

/// The valid path most similar to an invalid one.
pub fn nearest(path: &str) -> Option<Key> {
    keys()
        .filter_map(|key| {
            Some((distance_within(path, key.path, key.path.len().max(path.len()) / 2)?, key))
        })
        .min_by_key(|(distance, key)| (*distance, key.path))
        .map(|(_, key)| key)
}

impl ValueKind {
    /// Whether it is a list of strings.
    pub fn is_list(self) -> bool {
        matches!(self, Self::List | Self::Words(_) | Self::Ids | Self::Files | Self::AgeRules)
    }

    /// What a value may be, in words.
    pub fn describe(self) -> String {
        match self {
            Self::Switch => "true or false".to_owned(),
            Self::Duration(least, most) => format!(
                "a duration from {} to {}, such as \"45s\", \"5m\" or \"180d\"",
                format_duration(least),
                format_duration(most)
            ),
            Self::Number(least, most) => format!("a whole number from {least} to {most}"),
            Self::Word(words) => format!("one of {}", words.join(", ")),
            Self::Text => "a string".to_owned(),
            Self::Address | Self::OptionalAddress => {
                "https://HOST; http is allowed only for loopback".to_owned()
            }
            Self::Path => "the path of a file or folder".to_owned(),
            Self::Folder => "the path of a folder that begins with / or ~/".to_owned(),
            Self::List => "a list of strings".to_owned(),
            Self::Words(words) => format!("a list of {}", words.join(", ")),
            Self::Ids => "a list of IDs of letters, digits and -".to_owned(),
            Self::Files => {
                "a list of paths that begin with / or ~/, with * and ? in the last part only"
                    .to_owned()
            }
            Self::AgeRules => {
                "a list of PATTERN=DURATION, such as \"*-prod=90d\", each 1d to 3650d".to_owned()
            }
            Self::Lifetime => "a lifetime from 1h to 180d, such as \"8h\"".to_owned(),
            Self::Keys => "a table of lists, such as rotate = [\"R\"]".to_owned(),
            Self::Colors => "a table of colours, such as accent = \"#7aa2f7\"".to_owned(),
        }
    }
}

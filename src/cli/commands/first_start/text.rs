//! Texts of the first start.

use crate::app::texts::texts;

texts! {
    NOTHING = "skeys needs a token to list clusters.";
    TOKEN_MISSING = "✗ token    no credentials found";
    PROJECT_MISSING = "· project  none is set: every accessible project is shown";
    projects(count) = "✓ project  {count} set";
    file_missing(path) = "· file     {path} (not there yet)";
    file_there(path) = "✓ file     {path}";
    NO_FILE = "· file     no home folder is set; --config names one";
    TRY_ONCE = "Try it on your clusters";
    TRY_TOKEN = "stackit auth login    # skeys uses its login";
    TRY_PROJECT = "skeys    # --project ID lists only that project";
    KEEP = "Keep it";
    KEEP_INIT = "skeys config init     # writes the file above, with every setting explained";
    KEEP_CHECK = "skeys config check    # shows each value and where it comes from";
    WAYS = "Token sources; the first that is set is used";
    SETUP = "Press s for a guided set-up: it asks a few questions, signs in and writes the file.";
    DEMO = "Without an account: press d for the demo on an embedded simulator, q to quit.";
}

//! Texts of the guided set-up.

use crate::app::texts::texts;

texts! {
    INTRODUCTION = "This writes a configuration for skeys. Nothing is written until you confirm. Enter only paths of files here, never a key or token. q, Ctrl-C or Ctrl-D quits at any question.";
    will_stay(path) = "{path} exists and will not be changed: the lines to add are shown at the end.";
    HOW = "How does skeys sign in?";
    as_set(source) = "as already configured: {source}";
    stackit_there(path) = "the login of the stackit CLI, {path}";
    STACKIT_NOT_THERE = "the login of the stackit CLI (stackit is not on PATH)";
    KEY_FILE = "a service-account key file (JSON)";
    TOKEN_FILE = "a file with an access token, reread when it changes";
    WORKLOAD_IDENTITY = "workload identity: a file with the platform's token, as in a pod";
    number(last) = "Number from 1 to {last}:";
    number_or(last, default) = "Number from 1 to {last} [{default}]:";
    not_a_number(text, last) = "{text} is not a number from 1 to {last}.";
    STACKIT_MISSING = "stackit is not on PATH. Install it from https://github.com/stackitcloud/stackit-cli, then choose again.";
    KEY_PATH = "Path of the key file:";
    PRIVATE_KEY = "The key file has no private key.";
    PRIVATE_KEY_PATH = "Path of the private key (PEM):";
    TOKEN_PATH = "Path of the token file:";
    no_file(path, why) = "{path} cannot be read: {why}.";
    FEDERATED_PATH = "Path of the platform's token file:";
    EMAIL = "Email address of the service account:";
    not_an_email(text) = "{text} is not an email address.";
    other_goes_first(source) = "{source} is also set and takes precedence. Unset it, or sign in with it.";
    SIGNING_IN = "Signing in ...";
    signed_in(who, source) = "Signed in as {who} ({source}).";
    signed_in_until(who, source, time) = "Signed in as {who} ({source}), until {time}.";
    note(note) = "Note: {note}.";
    no_sign_in(limit) = "no answer within {limit} s";
    LOG_IN = "Run `stackit auth login` now? [Y/n]";
    NOT_YES_OR_NO = "Answer y or n.";
    login_failed(why) = "stackit could not be run: {why}";
    projects_set(projects, origin) = "Projects: {projects}, set by {origin}.";
    ONE_PROJECT = "This account may list clusters in 1 project:";
    projects_found(count) = "This account may list clusters in {count} projects:";
    and_more(count) = "and {count} more";
    WHICH_PROJECTS = "Enter selects all of them, and new ones as they appear. To select some, type their numbers or IDs:";
    NO_PROJECTS = "The authorization API lists no project in which this account may list clusters.";
    PROJECT_IDS = "IDs of the projects to show:";
    not_a_project(text) = "{text} is neither a number in the list nor a project ID.";
    not_a_project_id(text) = "{text} is not a project ID such as 5f1c3d9a-7a1e-4c52-9d5e-2b7f6a1c0e21.";
    regions_set(regions, origin) = "Regions: {regions}, set by {origin}.";
    which_regions(regions) = "Regions [{regions}]:";
    not_a_region(text) = "{text} is not a region name such as eu01.";
    will_write(path) = "These lines are written to {path}; every other setting is included, commented out at its default:";
    NO_LINES = "(none: the defaults apply)";
    WRITE = "Enter writes the file and opens the dashboard:";
    NOT_ENTER = "Press Enter to write the file, or q to leave.";
    written(path) = "Written: {path}";
    exists(path) = "{path} exists and is not changed. Set these lines in it:";
    NOTHING_TO_ADD = "(none: the existing settings are enough)";
}

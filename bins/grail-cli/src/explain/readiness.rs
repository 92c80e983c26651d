//! Findings about what a role needs before its first window: settings, model, manifest, data, libtorch.

use super::Row;

pub(super) const ROWS: &[Row] = &[
    (
        "no-bucket",
        "No bucket is set, and the role publishes into one.",
        "The R2_… settings were left out.",
        "`grail setup` asks for a bucket and tries it.",
    ),
    (
        "bucket-settings",
        "The settings of the bucket do not go together.",
        "One is missing, or has a slip.",
        "`grail config show` lists them; `grail setup` asks for all.",
    ),
    (
        "folder-not-writable",
        "A folder that the role keeps its memory in cannot be written to.",
        "It belongs to another user, is read-only, or the disk is full.",
        "Change its owner, or name another folder.",
    ),
    (
        "profile-unsaid",
        "The chain has no name here, and nothing says which constants its windows follow.",
        "GRAIL_PROFILE was left out of the settings of a subnet of one's own.",
        "Ask the subnet's owner, and set GRAIL_PROFILE; everybody must take the same.",
    ),
    (
        "reports-unusable",
        "The validator's folder of verdicts cannot be gone on with on this network.",
        "A rehearsal left its verdicts there, or the validator was moved to another network.",
        "Name another folder in GRAIL_REPORTS, or clear the old one away.",
    ),
    (
        "no-such-network",
        "The development network that is named cannot be opened.",
        "A slip in GRAIL_DEVNET, or a folder that was removed.",
        "Correct it, or make the network with `grail devnet init`.",
    ),
    (
        "manifest-missing",
        "The model's folder has no manifest that can be used.",
        "A model that was fetched by hand, or a download that did not finish.",
        "`grail join` fetches model and manifest; `grail checkpoint describe` makes that of a first model.",
    ),
    (
        "model-refused",
        "The model cannot be loaded.",
        "Files of another model, a class that is not known, or contradictions in its config.json.",
        "Fetch it again with `grail join`; the line of the finding says what does not fit.",
    ),
    (
        "files-unreadable",
        "Files of the model cannot be read.",
        "Another owner, or a broken disk.",
        "Change the owner, or fetch them again with `grail join`.",
    ),
    (
        "files-differ",
        "A file of the model is not the one that the manifest lists.",
        "An edited file, or a download that was broken off.",
        "Fetch the checkpoint again with `grail join`.",
    ),
    (
        "file-not-in-manifest",
        "The model's folder holds a file that its manifest does not list.",
        "A template or tokenizer of one's own, which would change every prompt.",
        "Move the file away.",
    ),
    (
        "tokenizer-unusable",
        "The tokenizer cannot be loaded.",
        "A file that is missing, or of a kind that is not read.",
        "Fetch the checkpoint again with `grail join`.",
    ),
    (
        "template-unusable",
        "The chat template cannot put a problem into a prompt.",
        "A template that uses what is not read, or contradicts itself.",
        "Tell the network's trainer: everybody has the same template.",
    ),
    (
        "end-tokens-differ",
        "Tokenizer and configuration name different end tokens.",
        "An edited or mixed folder.",
        "Fetch the checkpoint again with `grail join`.",
    ),
    (
        "context-too-short",
        "Prompt and cap do not fit the model's context: nobody can answer.",
        "A network that was made with too large a cap for its model.",
        "Make it again with a smaller --max-new-tokens; on a subnet tell its trainer.",
    ),
    (
        "problem-too-long",
        "One problem does not fit the model's context.",
        "A long row in the data set.",
        "Nothing for miners, who leave it out and go on; a network's maker takes the row out.",
    ),
    (
        "problem-cannot-be-set",
        "An environment cannot draw a problem.",
        "Rows that are none, or another release.",
        "Fetch the rows again with `grail dataset gsm8k`; install the network's release.",
    ),
    (
        "rows-missing",
        "The rows that an environment asks are not here.",
        "They were never fetched.",
        "`grail join`, or `grail dataset gsm8k`.",
    ),
    (
        "rows-unreadable",
        "The rows of an environment cannot be read.",
        "A file that is damaged, or not the published form.",
        "`grail dataset gsm8k` fetches them again.",
    ),
    (
        "libtorch-not-found",
        "The role's program does not find libtorch.",
        "It lies neither beside the program nor on LD_LIBRARY_PATH.",
        "Install the archive with libtorch, or name its folder in LD_LIBRARY_PATH.",
    ),
    (
        "libtorch-other-version",
        "The libtorch that is found is of another version than the program was built with.",
        "A libtorch of Python or of the system on LD_LIBRARY_PATH.",
        "Use the version that the finding names.",
    ),
    (
        "program-not-installed",
        "The role's program does not lie beside `grail`.",
        "Only `grail` was installed.",
        "Install it beside; until then weights, libtorch and device are not looked at.",
    ),
    (
        "look-too-long",
        "The role's program did not say in time what it makes of the model.",
        "A large model on a slow disk, or a driver that hangs.",
        "Run the role's `check`, which waits; a driver that hangs needs a restart of the machine.",
    ),
    (
        "look-failed",
        "A look broke off inside the program.",
        "A fault of this program.",
        "Report the line with `grail --version`.",
    ),
    (
        "driver-too-old",
        "The NVIDIA driver is older than libtorch's CUDA needs.",
        "An old driver.",
        "Install a newer driver, or set GRAIL_DEVICE=cpu.",
    ),
    (
        "not-read",
        "A variable looks like one of this project's and is read by nobody.",
        "A slip in its name, or another program's variable.",
        "`grail config show` lists every name; one of another program's needs nothing.",
    ),
];

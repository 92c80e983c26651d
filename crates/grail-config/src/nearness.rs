//! Which name somebody meant who typed another.

use super::table::PREFIXES;

/// Names less alike than this are no suggestion.
const ALIKE: f64 = 0.82;
/// Two words less alike than this are two words; where other words of a name agree, a little less is enough.
const SAME_WORD: f64 = 0.8;
const SAME_WORD_AMONG_OTHERS: f64 = 0.75;

/// The most similar of `names`, where one is similar at all: by the whole name, or word by word, so that a word that is left
/// out or misspelt finds the name that has the others. Prefixes tell nothing. Each name comes with what it means, which
/// decides between names that are equally near: a rate of learning from other rates.
pub(crate) fn nearest<'a>(
    typed: &str,
    names: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Option<&'a str> {
    let typed = typed.to_ascii_uppercase();
    let scored = names.into_iter().map(|(known, meaning)| {
        (likeness(&typed, &known.to_ascii_uppercase(), &meaning.to_ascii_uppercase()), known)
    });
    let best = scored.filter(|(score, _)| *score > ALIKE).max_by(|a, b| a.0.total_cmp(&b.0));
    best.map(|(_, known)| known)
}

/// Whether whoever typed one name can hardly have meant anything but the other: a slip of a letter or two, the same words
/// under another prefix, or a part of its words and most of them.
pub(crate) fn is_slip(typed: &str, known: &str) -> bool {
    let (typed, known) = (typed.to_ascii_uppercase(), known.to_ascii_uppercase());
    let (typed, known) = (rest(&typed), rest(&known));
    let slips = match typed.len() {
        0..=4 => 1,
        5..=8 => 2,
        _ => 3,
    };
    if strsim::osa_distance(typed, known) <= slips {
        return true;
    }
    let (ours, theirs): (Vec<&str>, Vec<&str>) = (words(known), words(typed));
    let same = if theirs.len() > 1 { SAME_WORD_AMONG_OTHERS } else { SAME_WORD };
    // More words than ours have is another name, of somebody whose names begin alike.
    theirs.len() * 2 > ours.len()
        && theirs.len() <= ours.len()
        && theirs.iter().all(|word| best(word, &ours) > same)
}

fn likeness(typed: &str, known: &str, meaning: &str) -> f64 {
    let (typed, known) = (rest(typed), rest(known));
    let (theirs, ours) = (words(typed), words(known));
    let cover = |some: &[&str], all: &[&str]| {
        some.iter().map(|word| best(word, all)).sum::<f64>() / some.len().max(1) as f64
    };
    let by_words = 0.75 * cover(&theirs, &ours) + 0.25 * cover(&ours, &theirs);
    let meant: Vec<&str> =
        meaning.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect();
    // One word alone, HTTP or PATH, stands in many names and means none of them.
    let by_words = if theirs.len() > 1 { by_words } else { 0.0 };
    strsim::jaro_winkler(typed, known).max(by_words) + 0.05 * cover(&theirs, &meant)
}

fn best(word: &str, others: &[&str]) -> f64 {
    others.iter().map(|other| strsim::jaro_winkler(word, other)).fold(0.0, f64::max)
}

fn rest(name: &str) -> &str {
    PREFIXES.iter().find_map(|prefix| name.strip_prefix(prefix)).unwrap_or(name)
}

fn words(name: &str) -> Vec<&str> {
    name.split(['_', '.']).filter(|word| !word.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::ALL;

    fn find(name: &str) -> Option<&'static str> {
        nearest(name, ALL.iter().map(|setting| (setting.variable, setting.meaning)))
    }

    fn is_near(name: &str) -> bool {
        ALL.iter().any(|setting| is_slip(name, setting.variable))
    }

    #[test]
    fn a_slip_finds_the_name_it_meant_and_nonsense_finds_none() {
        for (typed, meant) in [
            ("R2_BUCKT_ID", "R2_BUCKET_ID"),
            ("r2_account_id", "R2_ACCOUNT_ID"),
            ("GRAIL_CACHEDIR", "GRAIL_CACHE_DIR"),
            ("GRAIL_DEVISE", "GRAIL_DEVICE"),
            ("GRAIL_LERNING_RATE", "GRAIL_LEARNER_SCHEDULE_RATE"),
            ("GRAIL_LEARNING_RATE", "GRAIL_LEARNER_SCHEDULE_RATE"),
            ("GRAIL_LEARNER_RATE", "GRAIL_LEARNER_SCHEDULE_RATE"),
            ("GRAIL_RETENTION_LIMIT", "GRAIL_CHECKPOINT_RETENTION_LIMIT"),
            ("GRAIL_TRAINING_PRECISON", "GRAIL_TRAINING_PRECISION"),
            ("GRAIL_NETWORK", "BT_NETWORK"),
            ("GRAIL_NETUID", "NETUID"),
            ("GRAIL_WALLET_HOT", "BT_WALLET_HOT"),
            ("GRAIL_MODLE", "GRAIL_MODEL"),
        ] {
            assert_eq!(find(typed), Some(meant), "{typed}");
            assert!(is_near(typed), "{typed}");
        }
        for nonsense in ["XYZZY", "GRAIL_HTTP", "PATH", "GRAIL_"] {
            assert_eq!(find(nonsense), None, "{nonsense}");
        }
    }

    #[test]
    fn names_of_others_that_only_begin_alike_are_no_slips() {
        for name in [
            "GRAIL_PORT",
            "GRAIL_HOST",
            "GRAIL_NAME",
            "GRAIL_VERSION",
            "GRAIL_IMAGE",
            "GRAIL_HOME",
            "GRAIL_DEBUG",
            "GRAIL_LOG",
            "GRAIL_ENV",
            "GRAIL_URL",
            "GRAIL_DATA_DIR",
            "GRAIL_MODEL_NAME",
            "GRAIL_SERVICE_HOST",
            "R2_GRADIENTS_ACCOUNT_ID",
            "BT_AXON_PORT",
            "BT_LOGGING_DEBUG",
            "DATABASE_URL",
        ] {
            assert!(!is_near(name), "{name} is taken for {:?}", find(name));
        }
    }
}

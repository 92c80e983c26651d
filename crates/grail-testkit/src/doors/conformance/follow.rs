use grail_artifact::checkpoint::Moment;
use grail_ports::follow::{Checkpoints, Found, Load};

/// Examines a follower by moments and the sequence number of the checkpoint that answers each.
///
/// # Panics
/// When a promise of [`Checkpoints`] is broken.
pub async fn follow<C: Checkpoints + ?Sized>(checkpoints: &C, moments: &[(Moment, u64)]) {
    for (moment, sequence) in moments.iter().chain(moments.iter().rev()) {
        let found = checkpoints.find(*moment).await.expect("the checkpoint of a moment is found");
        assert_eq!(found.manifest.sequence, *sequence, "{moment:?}");
        let is_genesis = found.manifest.publication.is_none();
        assert!(
            is_genesis || found.manifest.window < moment.before,
            "a window is answered by an earlier one's"
        );
        checkpoints.prefetch(moment.before).await.expect("what may come is fetched ahead");
        let again = checkpoints.find(*moment).await.expect("it is found again");
        assert_eq!(again, found, "fetching ahead decides nothing");
    }
}

/// Examines a loader with a checkpoint that it can load, and says which parts it makes: a generator, an oracle.
///
/// # Panics
/// When a promise of [`Load`] is broken.
pub fn load<L: Load + ?Sized>(loader: &L, found: &Found, (answers, judges): (bool, bool)) {
    for _ in 0..2 {
        let loaded = loader.load(found).expect("a whole checkpoint is loaded");
        assert_eq!(
            (loaded.generator.is_some(), loaded.oracle.is_some()),
            (answers, judges),
            "what was asked for"
        );
        let cards = [
            loaded.generator.as_ref().map(|generator| generator.card()),
            loaded.oracle.as_ref().map(|oracle| oracle.card()),
        ];
        for card in cards.into_iter().flatten() {
            assert_eq!(card.checkpoint, found.manifest.id(), "a card names the checkpoint");
            assert!(loaded.tokenizer.vocabulary() <= card.vocabulary, "every token has a logit");
            assert_eq!(loaded.tokenizer.end_tokens(), card.end_tokens, "model and tokenizer end alike");
        }
    }
}

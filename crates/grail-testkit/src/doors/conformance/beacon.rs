use grail_ports::beacon::BeaconSource;

/// Examines a beacon door. `published` is the number of a round that is out, `future` of one that is not.
///
/// # Panics
/// When a promise of [`BeaconSource`] is broken.
pub async fn beacon<B: BeaconSource + ?Sized>(source: &B, published: u64, future: u64) {
    let chain = source.chain();
    assert!(chain.period_ms > 0, "the chain's rounds take time");
    assert!(chain.time_of(published) < chain.time_of(future), "the examiner's rounds are in order");

    let first = source.round(published).await.expect("a published round is read").expect("it is there");
    assert_eq!(first.round, published, "the round asked for is the round given");
    let randomness = chain.verify(&first).expect("what comes out of the door is verified");
    let again = source.round(published).await.expect("a round is read twice").expect("it stays there");
    assert_eq!(again, first, "a round never changes");
    assert_eq!(chain.verify(&again), Ok(randomness));

    if let Some(before) = published.checked_sub(1).filter(|&round| round > 0) {
        let earlier = source.round(before).await.expect("an older round is read").expect("it is there");
        assert_ne!(earlier.signature, first.signature, "rounds differ");
    }
    let absent = source.round(future).await.expect("an unpublished round is no fault");
    assert_eq!(absent, None, "an unpublished round is absent");
    let absent = source.round(0).await.expect("asking for round 0 is no fault");
    assert_eq!(absent, None, "round 0 is no way to ask for the latest");
}

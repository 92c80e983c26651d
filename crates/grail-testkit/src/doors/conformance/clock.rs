use grail_ports::clock::Clock;
use grail_protocol::words::UnixMillis;

/// Examines a clock. `turn` brings it to a moment where time does not pass by itself.
///
/// # Panics
/// When a promise of [`Clock`] is broken.
pub async fn clock<C: Clock + ?Sized>(clock: &C, turn: impl AsyncFn(UnixMillis)) {
    let began = clock.now();
    assert!(began.0 > 0, "time counts from 1970");
    clock.sleep_until(UnixMillis(0)).await;
    clock.sleep_until(began).await;
    let until = clock.now().plus(30);
    let ((), ()) = tokio::join!(clock.sleep_until(until), turn(until));
    assert!(clock.now() >= until, "nobody wakes before the moment");
    // A sleeper who gives up harms nobody.
    let far = clock.now().plus(1_000_000_000);
    tokio::select! {
        biased;
        () = clock.sleep_until(far) => panic!("that moment is far away"),
        () = clock.sleep_until(began) => {}
    }
    assert!(clock.now() >= until && clock.now() < far, "time does not run backwards, nor jump");
}

//! The commands of each generation, which write the events to read.

use factum::ExecuteError;
use factum::prelude::*;

use crate::{generation1, generation2, generation3};

/// Delivers one parcel, sends one back, and leaves one under way.
pub fn first(store: &SqliteStore) -> Result<(), ExecuteError<generation1::ParcelError>> {
    use generation1::{AcceptParcel, HandOverParcel, Parcel, PrintLabel, ScanParcel, SendBackParcel};

    let parcels = store.repository::<Parcel>();
    parcels.execute(AcceptParcel {
        parcel: "ada".into(),
        recipient: "Ada, 12 Main Street".into(),
        weight: 1200,
        postage: "4.90".into(),
        counter: 3,
    })?;
    parcels.execute(PrintLabel { parcel: "ada".into(), printer: "left".into() })?;
    parcels.execute(ScanParcel { parcel: "ada".into(), place: "depot north".into() })?;
    parcels.execute(HandOverParcel { parcel: "ada".into(), to: "Ada".into() })?;

    parcels.execute(AcceptParcel {
        parcel: "bob".into(),
        recipient: "Bob, 7 Mill Lane".into(),
        weight: 300,
        postage: "2.50".into(),
        counter: 1,
    })?;
    parcels.execute(SendBackParcel { parcel: "bob".into(), reason: "no such house".into() })?;

    parcels.execute(AcceptParcel {
        parcel: "cyd".into(),
        recipient: "Cyd".into(),
        weight: 80,
        postage: "1.10".into(),
        counter: 3,
    })?;
    parcels.execute(ScanParcel { parcel: "cyd".into(), place: "back room".into() })?;
    Ok(())
}

/// Delivers a parcel of the first generation, leaves a new one under way, and sends one back.
pub fn second(store: &SqliteStore) -> Result<(), ExecuteError<generation2::ParcelError>> {
    use generation2::{
        AcceptParcel, Cents, DeliverParcel, Parcel, Place, PrintLabel, ScanParcel, SendBackParcel,
    };

    let parcels = store.repository::<Parcel>();
    parcels.execute(DeliverParcel { parcel: "cyd".into(), to: "a neighbour".into() })?;

    parcels.execute(AcceptParcel {
        parcel: "dan".into(),
        recipient: "Dan, 1 High Street".into(),
        grams: 2000,
        postage: Cents(690),
        insured: Cents(50_000),
    })?;
    parcels.execute(PrintLabel { parcel: "dan".into(), printer: "right".into() })?;
    parcels.execute(ScanParcel { parcel: "dan".into(), place: Place::Van(7) })?;

    parcels.execute(AcceptParcel {
        parcel: "eve".into(),
        recipient: "Eve, 3 Park Road".into(),
        grams: 450,
        postage: Cents(250),
        insured: Cents(0),
    })?;
    parcels.execute(SendBackParcel { parcel: "eve".into(), reason: "refused".into() })?;
    Ok(())
}

/// Delivers a parcel of the second generation, takes one back, and refunds half of its postage.
pub fn third(store: &SqliteStore) -> Result<(), ExecuteError<generation3::ParcelError>> {
    use generation3::{
        AcceptParcel, Cents, DeliverParcel, Parcel, Place, RefundPostage, ReturnParcel, ScanParcel,
    };

    let parcels = store.repository::<Parcel>();
    parcels.execute(ScanParcel { parcel: "dan".into(), at: Place::Depot("south".into()) })?;
    parcels.execute(DeliverParcel { parcel: "dan".into(), to: "Dan".into() })?;

    parcels.execute(AcceptParcel {
        parcel: "fay".into(),
        name: "Fay".into(),
        address: "9 Sea View".into(),
        grams: 700,
        postage: Cents(490),
        insured: Cents(2000),
    })?;
    parcels.execute(ReturnParcel { parcel: "fay".into(), reason: "damaged".into() })?;
    parcels.execute(RefundPostage { parcel: "fay".into(), amount: Cents(245) })?;
    Ok(())
}

//! The read models: one that each load folds again, one that evento keeps in its own snapshot table.

use anyhow::Result;
use evento::metadata::Event;
use evento::{Executor, Projection};

use crate::account::{Account, MoneyDeposited};

#[evento::projection]
#[evento::snapshot(none)]
pub struct ColdAccount {
    pub balance: u64,
    pub deposits: u64,
}

#[evento::handler]
async fn on_deposited_cold(event: Event<MoneyDeposited>, state: &mut ColdAccount) -> Result<()> {
    state.balance += event.data.amount;
    state.deposits += 1;
    Ok(())
}

pub fn cold_account<E: Executor>() -> Projection<E, ColdAccount> {
    Projection::new::<Account>().handler(on_deposited_cold()).strict()
}

#[evento::projection(name = "bank/KeptBalance", bitcode::Encode, bitcode::Decode)]
pub struct KeptBalance {
    pub balance: u64,
}

#[evento::handler]
async fn on_deposited_kept(event: Event<MoneyDeposited>, view: &mut KeptBalance) -> Result<()> {
    view.balance += event.data.amount;
    Ok(())
}

pub fn kept_balance<E: Executor>() -> Projection<E, KeptBalance> {
    Projection::new::<Account>().handler(on_deposited_kept()).strict()
}

// What factum's macros generate for the README's program. A test writes it; to update it:
// UPDATE_GOLDEN=1 cargo test -p factum-macros

// ---- struct AccountId ----

#[automatically_derived]
impl ::factum::AggregateId for AccountId {
    fn to_text(&self) -> ::std::borrow::Cow<'_, str> {
        <String as ::factum::AggregateId>::to_text(&self.0)
    }
    fn from_text(__text: &str) -> ::core::result::Result<Self, ::factum::InvalidId> {
        match <String as ::factum::AggregateId>::from_text(__text) {
            ::core::result::Result::Ok(__inner) => {
                ::core::result::Result::Ok(Self(__inner))
            }
            ::core::result::Result::Err(_) => {
                ::core::result::Result::Err(::factum::InvalidId::new::<Self>(__text))
            }
        }
    }
}

// ---- struct AccountOpened ----

#[automatically_derived]
impl ::factum::macro_support::DerivedEvent for AccountOpened {
    const EVENT: ::factum::macro_support::ConstEvent = (
        "account-opened",
        ::core::option_env!("CARGO_MANIFEST_DIR"),
        "1\nowner: String",
    );
}

// ---- struct MoneyDeposited ----

#[automatically_derived]
impl ::factum::macro_support::DerivedEvent for MoneyDeposited {
    const EVENT: ::factum::macro_support::ConstEvent = (
        "money-deposited",
        ::core::option_env!("CARGO_MANIFEST_DIR"),
        "1\ncents: u64",
    );
}

// ---- struct MoneyWithdrawn ----

#[automatically_derived]
impl ::factum::macro_support::DerivedEvent for MoneyWithdrawn {
    const EVENT: ::factum::macro_support::ConstEvent = (
        "money-withdrawn",
        ::core::option_env!("CARGO_MANIFEST_DIR"),
        "1\ncents: u64",
    );
}

// ---- struct OpenAccount ----

::factum::macro_support::command! {
    OpenAccount, "open-account", AccountId, [account] {} "OpenAccount"
    18055716382810217137 "account: AccountId\nowner: String"
}

// ---- struct DepositMoney ----

::factum::macro_support::command! {
    DepositMoney, "deposit-money", AccountId, [account] {} "DepositMoney"
    16180778400305435415 "account: AccountId\ncents: u64"
}

// ---- struct WithdrawMoney ----

::factum::macro_support::command! {
    WithdrawMoney, "withdraw-money", AccountId, [account] {} "WithdrawMoney"
    16180778400305435415 "account: AccountId\ncents: u64"
}

// ---- struct BankAccount ----

///The commands of [`BankAccount`].
#[allow(clippy::enum_variant_names, clippy::large_enum_variant, deprecated)]
pub enum BankAccountCommand {
    ///See [`OpenAccount`].
    OpenAccount(OpenAccount),
    ///See [`DepositMoney`].
    DepositMoney(DepositMoney),
    ///See [`WithdrawMoney`].
    WithdrawMoney(WithdrawMoney),
}
///The events of [`BankAccount`].
#[allow(clippy::enum_variant_names, clippy::large_enum_variant, deprecated)]
pub enum BankAccountEvent {
    ///See [`AccountOpened`].
    AccountOpened(AccountOpened),
    ///See [`MoneyDeposited`].
    MoneyDeposited(MoneyDeposited),
    ///See [`MoneyWithdrawn`].
    MoneyWithdrawn(MoneyWithdrawn),
}
#[allow(deprecated)]
const _: () = {
    #[automatically_derived]
    impl ::factum::Aggregate for BankAccount {
        const CATEGORY: &'static str = "bank-account";
        type Id = AccountId;
        type Command = BankAccountCommand;
        type Event = BankAccountEvent;
        type Error = AccountError;
        type Services = ();
        fn initial() -> Self {
            <Self as ::core::default::Default>::default()
        }
        fn duplicate(&self) -> Self {
            <Self as ::core::clone::Clone>::clone(self)
        }
        fn execute(
            &self,
            __command: BankAccountCommand,
            __services: &Self::Services,
        ) -> ::factum::macro_support::Execution<Self> {
            match __command {
                BankAccountCommand::OpenAccount(__command) => {
                    <Self as ::factum::Execute<
                        OpenAccount,
                    >>::execute(self, __command, __services)
                }
                BankAccountCommand::DepositMoney(__command) => {
                    <Self as ::factum::Execute<
                        DepositMoney,
                    >>::execute(self, __command, __services)
                }
                BankAccountCommand::WithdrawMoney(__command) => {
                    <Self as ::factum::Execute<
                        WithdrawMoney,
                    >>::execute(self, __command, __services)
                }
            }
        }
        fn apply(&mut self, __event: &BankAccountEvent) {
            match __event {
                BankAccountEvent::AccountOpened(__event) => {
                    <Self as ::factum::Apply<AccountOpened>>::apply(self, __event)
                }
                BankAccountEvent::MoneyDeposited(__event) => {
                    <Self as ::factum::Apply<MoneyDeposited>>::apply(self, __event)
                }
                BankAccountEvent::MoneyWithdrawn(__event) => {
                    <Self as ::factum::Apply<MoneyWithdrawn>>::apply(self, __event)
                }
            }
        }
    }
    const _: () = ::factum::macro_support::is_thread_safe::<BankAccount>();
    ::factum::macro_support::command_enum!(
        shown BankAccountCommand of BankAccount, AccountId : OpenAccount(OpenAccount)
        DepositMoney(DepositMoney) WithdrawMoney(WithdrawMoney)
    );
    ::factum::macro_support::event_enum! {
        shown BankAccountEvent of BankAccount : AccountOpened(AccountOpened)
        MoneyDeposited(MoneyDeposited) MoneyWithdrawn(MoneyWithdrawn); retired; {}
    }
    const _: () = match ::factum::macro_support::repeated_name(
        <BankAccountEvent as ::factum::EventSet>::KINDS,
        &[],
    ) {
        1 => {
            (::factum::macro_support::report_repeated)(
                "`BankAccount` lists two events that are stored under one name: `MoneyDeposited` has the name, or an alias, of an event listed before it; give one of them another with `#[event(name = \"..\")]`",
            )
        }
        2 => {
            (::factum::macro_support::report_repeated)(
                "`BankAccount` lists two events that are stored under one name: `MoneyWithdrawn` has the name, or an alias, of an event listed before it; give one of them another with `#[event(name = \"..\")]`",
            )
        }
        _ => {}
    };
};

// ---- #[handlers] impl BankAccount ----

#[allow(
    clippy::missing_const_for_fn,
    clippy::needless_pass_by_ref_mut,
    clippy::needless_pass_by_value,
    clippy::trivially_copy_pass_by_ref,
    clippy::unnecessary_wraps,
    clippy::unused_self
)]
impl BankAccount {
    fn open(&self, command: OpenAccount) -> Result<AccountOpened, AccountError> {
        if self.owner.is_some() {
            return Err(AccountError::AlreadyOpen);
        }
        Ok(AccountOpened {
            owner: command.owner,
        })
    }
    fn deposit(&self, command: DepositMoney) -> Result<MoneyDeposited, AccountError> {
        self.balance.checked_add(command.cents).ok_or(AccountError::TooMuch)?;
        Ok(MoneyDeposited {
            cents: command.cents,
        })
    }
    fn withdraw(&self, command: WithdrawMoney) -> Result<MoneyWithdrawn, AccountError> {
        if command.cents > self.balance {
            return Err(AccountError::Overdraft(self.balance));
        }
        Ok(MoneyWithdrawn {
            cents: command.cents,
        })
    }
    fn opened(&mut self, event: &AccountOpened) {
        self.owner = Some(event.owner.clone());
    }
    fn deposited(&mut self, event: &MoneyDeposited) {
        self.balance += event.cents;
    }
    fn withdrawn(&mut self, event: &MoneyWithdrawn) {
        self.balance -= event.cents;
    }
}
const _: () = {
    type __Self = BankAccount;
    ::factum::macro_support::execute! {
        self __command : {} __Self : OpenAccount, _[AccountOpened] decide_fallible[_, _]
        (Self::open(self, __command)); {} __Self : DepositMoney, _[MoneyDeposited]
        decide_fallible[_, _] (Self::deposit(self, __command)); {} __Self :
        WithdrawMoney, _[MoneyWithdrawn] decide_fallible[_, _] (Self::withdraw(self,
        __command));
    }
    ::factum::macro_support::apply! {
        {} __Self : AccountOpened, opened; {} __Self : MoneyDeposited, deposited; {}
        __Self : MoneyWithdrawn, withdrawn;
    }
};

//! Why a source is of no use: in the engine, in the log, and in slewd's own report.

/// Why a source is of no use at present.
///
/// The code is the place in [`Flaw::ALL`], counted from 1; 0 is none. Codes keep their meaning: new flaws are appended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Flaw {
    /// The resolver finds no address for its name.
    NoAddress,
    /// All places for sources are taken.
    NoPlace,
    /// Somebody set it offline.
    Offline,
    /// There is no route to it.
    NoRoute,
    /// Too many files are open here for another socket.
    NoDescriptors,
    /// This system does not permit sending to it.
    NotPermitted,
    /// Requests to it cannot be sent for another reason.
    Unsent,
    /// It does not answer.
    Silent,
    /// Its address answers that nothing listens at the port.
    PortClosed,
    /// What comes from its address are no replies to our requests.
    Senseless,
    /// It does not know the time: stratum 16, or the leap indicator says so.
    Unsynchronised,
    /// It refuses to serve us: kiss-o'-death DENY or RSTR.
    Denied,
    /// It says nothing but that it wants to be asked less: kiss-o'-death RATE.
    RateLimited,
    /// Its replies are authenticated in another way than ours, or not as configured.
    Authentication,
    /// By its own word its time may be wrong by 16 s or more.
    RootDistance,
    /// Its replies take too long for `maxdelay` and the like.
    Delay,
    /// The times in its replies are impossible.
    ImpossibleTimes,
    /// Its replies repeat the same times.
    Repetition,
    /// Its stratum is outside `minstratum` to `maxstratum`.
    BadStratum,
    /// Its root distance exceeds `maxdistance`.
    TooDistant,
    /// Its jitter exceeds `maxjitter`.
    TooJittery,
    /// It contradicts the majority.
    Falseticker,
    /// It has the option `noselect`, or another means as much.
    NotToBeSelected,
    /// The local address, port or device that the configuration names cannot be used.
    LocalEnd,
    /// It is not asked, for its answers could not be authenticated as its line wants.
    Unprotected,
    /// It is not asked, for the key of its line is not in the key file.
    KeyMissing,
    /// NTS keys for it are being established.
    KeysAwaited,
    /// The server that establishes NTS keys for it cannot be reached.
    KeyServerAway,
    /// The server that establishes NTS keys for it does not speak the protocol as it should.
    KeyEstablishment,
    /// The certificate of the server that establishes NTS keys for it is not accepted.
    Certificate,
    /// Its device cannot be opened, or not be read any more.
    DeviceAbsent,
    /// Its device stands still.
    DeviceFrozen,
    /// Its device runs at another speed than time.
    DeviceRate,
    /// Its device has jumped from UTC to TAI.
    DeviceTai,
    /// No source says which seconds its pulses mean.
    NoSeconds,
}

impl Flaw {
    /// All, in the order of their codes.
    pub const ALL: [Flaw; 35] = [
        Flaw::NoAddress,
        Flaw::NoPlace,
        Flaw::Offline,
        Flaw::NoRoute,
        Flaw::NoDescriptors,
        Flaw::NotPermitted,
        Flaw::Unsent,
        Flaw::Silent,
        Flaw::PortClosed,
        Flaw::Senseless,
        Flaw::Unsynchronised,
        Flaw::Denied,
        Flaw::RateLimited,
        Flaw::Authentication,
        Flaw::RootDistance,
        Flaw::Delay,
        Flaw::ImpossibleTimes,
        Flaw::Repetition,
        Flaw::BadStratum,
        Flaw::TooDistant,
        Flaw::TooJittery,
        Flaw::Falseticker,
        Flaw::NotToBeSelected,
        Flaw::LocalEnd,
        Flaw::Unprotected,
        Flaw::KeyMissing,
        Flaw::KeysAwaited,
        Flaw::KeyServerAway,
        Flaw::KeyEstablishment,
        Flaw::Certificate,
        Flaw::DeviceAbsent,
        Flaw::DeviceFrozen,
        Flaw::DeviceRate,
        Flaw::DeviceTai,
        Flaw::NoSeconds,
    ];
}

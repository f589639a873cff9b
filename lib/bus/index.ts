export { type Bus, type BusOptions, type Listener, openBus } from './bus.ts';
export { CHANNELS, type Channel, type Envelope, envelope, readEnvelope } from './envelope.ts';

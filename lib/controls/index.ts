export { type Control, ControlState, type Subject } from './state.ts';

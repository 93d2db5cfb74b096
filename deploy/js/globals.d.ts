/** The Socket.IO client, which the page loads from app/static/vendor. */
interface Window {
  io(options: object): any;
}

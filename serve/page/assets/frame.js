/**
 * Has a task done with the next frame. A page that shows none, as one that was hidden a
 * moment ago, goes on all the same.
 */
export function soon(task) {
  let due = true;
  const once = () => {
    if (!due) return;
    due = false;
    task();
  };
  if (!document.hidden) requestAnimationFrame(once);
  setTimeout(once, 250);
}

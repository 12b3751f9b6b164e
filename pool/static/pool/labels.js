// On a phone each cell of a list says its column: with a capital, as the head of the table does.
for (const cell of document.querySelectorAll("#result_list [data-label]")) {
  const { label } = cell.dataset;
  cell.dataset.label = label.charAt(0).toUpperCase() + label.slice(1);
}

// Tells the server which time zone the pages are to be in, from the next one on.
{
  const { timeZone } = Intl.DateTimeFormat().resolvedOptions();
  document.cookie = `lbsite_timezone=${timeZone}; path=/admin/; max-age=31536000; samesite=lax`;
}
